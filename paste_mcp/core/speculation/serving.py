"""Whether a success may be served from a guess: many servers report a failure, or that they found nothing, as one.

Of nineteen servers whose backend was cut off, six said so without `isError`. An early call may have met a moment that
is over when the agent asks, so such answers are not served and the real call is made. To take an honest answer for one
of these costs a hit and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from paste_mcp.core.model import Json, Payload

MAX_NOTICE: Final = 240
"""Characters of a text that may be nothing but a notice."""

_FAILURE: Final = frozenset({"error", "errors", "err", "exception", "errorMessage", "error_message", "errorCode"})
_SUCCESS: Final = frozenset({"success", "succeeded", "successful", "ok"})
_STATUS: Final = frozenset({"status", "state", "outcome", "code", "statusCode", "status_code", "http_status"})
_BAD_STATUS: Final = re.compile(
    r"(?i)(?:error|failed|failure|fail|no[_ -]?(?:results?|matches|data)|not[_ -]?found|empty|unavailable"
    r"|time(?:d[ _-]?)?out|unauthori[sz]ed|forbidden|denied|rate[_ -]?limited|throttled|[45]\d\d)"
)
_WRAPPERS: Final = frozenset({"result", "data", "output", "response", "content", "text", "message", "msg", "detail"})
"""Members that are the whole answer where they stand alone."""
_MOST_WRAPPED: Final = 3
_FOUND: Final = frozenset(
    "results result items matches hits entries files records rows documents docs data values list pages issues papers "
    "articles nodes edges entities".split()
)
_COUNTS: Final = frozenset("total count total_count totalCount totalResults total_results numFound found size".split())
_BEGINS: Final = re.compile(
    r"""(?ix) [\W_]* (?:
      (?:\w+\s){0,2}(?:error|exception|failure)s?\b [^\w\n]* (?::|-|$|\n|\() | traceback\ \(most | fatal:? | panic:
    | (?:request|query|command|call|tool|operation|search|fetch|connection)\s
        (?:was\s|has\s)? (?:failed|refused|reset|denied|timed)
    | fail(?:ed|ure)\b | unable\ to\b | (?:could|can)\ ?not\b | can't\b | couldn't\b | cannot\b
    | (?:access|permission)\ denied | unauthori[sz]ed\b | forbidden\b | invalid\b | not\ found\b | time(?:d\ |\ )?out\b
    | rate[\ -]limit | too\ many\ requests | quota\ exceeded | service\ unavailable | internal\ server\ error
    | bad\ (?:gateway|request) | (?:http\ (?:error\ |status\ )?|status(?:\ code)?:?\ )?[45]\d\d\b [\ :-]
    )"""
)
_FOUND_NOTHING: Final = re.compile(
    r"""(?ix)
      \b(?:no|0|zero|not\ any|without)\ (?:\w+\ ){0,3}
        (?:results?|match(?:es)?|hits?|files?|items?|entries|records?|rows?|documents?|data|pages?|issues?|tables?|content
          |output|symbols?|commits?|changes|messages|papers?|articles?|notes?|sections?|references?)\b
    | \b(?:nothing|none|not)\ (?:was\ |were\ )?(?:found|matched|available|returned)\b | \bfound\ (?:nothing|0|no)\b
    | \b(?:does|do|did)\ ?n[o']t\ (?:exist|match|return) | \bempty\ (?:result|response|list|directory|set)\b
    | \btry\ again\b | \btemporar(?:y|ily)\b
    """
)


def unfit(payload: Payload) -> str | None:
    """Why this success is not served from a guess, in a word: "failure" or "nothing"; None where it may be."""
    return _of(payload.text if payload.document is None else payload.document, _MOST_WRAPPED)


def _of(said: Json, left: int) -> str | None:
    if isinstance(said, str):
        return _of_text(said.strip())
    if isinstance(said, list) and len(said) == 1 and isinstance(said[0], Mapping):
        said = said[0]
    if not isinstance(said, Mapping):
        return None
    if (found := _of_object(said)) is not None or len(said) != 1 or not left:
        return found
    [(name, inner)] = said.items()
    return _of(inner, left - 1) if name in _WRAPPERS else None


def _of_object(said: Mapping[str, Json]) -> str | None:
    for name, value in said.items():
        if name in _FAILURE and _is_told(value):
            return "failure"
        if name in _SUCCESS and value is False:
            return "failure"
        if name in _STATUS and _is_bad(value):
            return "failure"
    counted = [said[name] for name in _COUNTS & said.keys()]
    if any(count == 0 and not isinstance(count, bool) for count in counted):
        return "nothing"
    lists = [said[name] for name in _FOUND & said.keys() if isinstance(said[name], list | dict)]
    return "nothing" if lists and not any(lists) else None


def _of_text(text: str) -> str | None:
    if _BEGINS.match(text[:MAX_NOTICE]):
        return "failure"
    if len(text) <= MAX_NOTICE and text.count("\n") <= 1 and _FOUND_NOTHING.search(text):
        return "nothing"
    return None


def _is_told(value: Json) -> bool:
    """An error is told, rather than that there was none."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "none", "null", "false", "no", "0")
    return bool(value)


def _is_bad(value: Json) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return 400 <= value < 600
    return isinstance(value, str) and _BAD_STATUS.fullmatch(value.strip()) is not None
