"""Values of a known shape out of plain text: web addresses, file paths, identifiers.

This module knows text only: nothing of events, results or patterns. Every expression is linear (one run of a character
class, no nested repetition), every value and every list is bounded, so a hostile text costs no more than its length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, Literal, TypeAlias

MAX_TEXT: Final = 64 * 1024
"""Characters of a text that are read; a first page of findings is what a next call comes from."""
MAX_LOOKED_AT: Final = 10_000
"""Runs of signs in one text that are looked at, fitting or not."""
MAX_VALUES: Final = 1_000
"""Values taken out of one text."""
MAX_URL: Final = 2_048
MAX_PATH: Final = 512
MAX_ID: Final = 64

Kind: TypeAlias = Literal["urls", "paths", "ids"]

_URL: Final = re.compile(rf"https?://[^\s<>\"'`\\^{{}}|]{{1,{MAX_URL}}}")
_PATH_RUN: Final = re.compile(rf"[\w.@+~/\\:-]{{2,{MAX_PATH + 1}}}")
_HEX: Final = re.compile(
    rf"(?<![\w-])(?:[0-9a-fA-F]{{8}}-(?:[0-9a-fA-F]{{4}}-){{3}}[0-9a-fA-F]{{12}}|[0-9a-fA-F]{{7,{MAX_ID}}})(?![\w-])"
)
_LINE_NUMBER: Final = re.compile(r":\d.*\Z")
_OPENERS: Final = {")": "(", "]": "["}


def urls(text: str) -> list[str]:
    """The http(s) addresses in `text`, in order, each once, without closing brackets and full stops of the prose."""
    return _distinct(_trimmed(found.group()) for found in _found(_URL, text))


def paths(text: str) -> list[str]:
    """What looks like a file path: it has a separator, and starts like a path or ends in a file name with a suffix."""
    without_urls = _URL.sub(" ", text[:MAX_TEXT])
    return _distinct(path for found in _found(_PATH_RUN, without_urls) if (path := _path(found.group())))


def ids(text: str) -> list[str]:
    """UUIDs, and runs of 7 to 64 hexadecimal digits with a decimal one among them (so that `defaced` is a word)."""
    return _distinct(found.group() for found in _found(_HEX, text) if any(sign.isdecimal() for sign in found.group()))


EXTRACTORS: Final[dict[Kind, Callable[[str], list[str]]]] = {"urls": urls, "paths": paths, "ids": ids}


def _found(expression: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    return islice(expression.finditer(text[:MAX_TEXT]), MAX_LOOKED_AT)


def _distinct(found: Iterable[str]) -> list[str]:
    kept: dict[str, None] = {}
    for value in found:
        if value and value not in kept:
            kept[value] = None
            if len(kept) == MAX_VALUES:
                break
    return list(kept)


def _trimmed(url: str) -> str:
    """`url` up to the first bracket that closes one it did not open (Markdown's `[text](url)`), without final stops."""
    open_now = {"(": 0, "[": 0}
    for place, sign in enumerate(url):
        if sign in open_now:
            open_now[sign] += 1
        elif sign in _OPENERS:
            if open_now[_OPENERS[sign]] == 0:
                url = url[:place]
                break
            open_now[_OPENERS[sign]] -= 1
    url = url.rstrip(".,;:!?*_")
    return url if url.partition("://")[2] else ""


def _path(run: str) -> str:
    drive = run[:2] if len(run) > 2 and run[1] == ":" and run[0].isalpha() and run[2] in "\\/" else ""
    body = _LINE_NUMBER.sub("", run[len(drive) :]).rstrip(".:,")
    path = drive + body
    if len(path) > MAX_PATH or not ("/" in body or "\\" in body) or body.startswith("//"):
        return ""
    name = re.split(r"[\\/]", body)[-1]
    suffix = name.rpartition(".")[2] if "." in name else ""
    rooted = drive or body.startswith(("/", "./", "../", "~/"))
    named = 0 < len(suffix) <= 8 and suffix.isalnum() and not suffix.isdecimal()
    return path if (rooted and name) or named else ""
