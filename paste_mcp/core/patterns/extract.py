"""Values out of results: a raw `tools/call` result as a `Payload` and a status, and an index of where values occurred.

This module knows the shapes in which servers wrap their answers. It must not know patterns or predictions. Whatever
a server returns, its work is bounded by the constants below, and it never raises over a result's content.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Final, Literal, TypeAlias

from paste_mcp.core.keys import Unkeyable, canonical, parse_strict
from paste_mcp.core.model import Event, Json, Payload, Status
from paste_mcp.core.patterns import typed
from paste_mcp.core.patterns.places import ReadTexts
from paste_mcp.core.patterns.used import UsedValues

MAX_TEXT: Final = 256 * 1024
"""Characters of a result's text that are kept; longer texts are cut."""
MAX_NODES: Final = 50_000
"""Values in one structured result; a larger one is not kept (its payload is marked as cut)."""
MAX_LITERAL: Final = 16 * 1024
"""Characters of a text that is read as a Python literal."""
MAX_SHORT_TEXT: Final = 4_096
"""Characters of a text that `status_of` parses to see whether it says "nothing found"."""
MAX_DEPTH: Final = 32
"""Levels of nesting that the index looks into."""
MAX_INDEXED: Final = 20_000
"""Entries that one session's index holds; the oldest go first."""
MAX_INDEXED_PER_EVENT: Final = 2_000
MAX_INDEXED_TEXT: Final = 64 * 1024
"""Characters of a result's text that the index reads."""
MAX_INDEXED_VALUE: Final = 512
"""Characters of a string that may be looked up later."""
MAX_UNREAD: Final = 256
"""Events that may wait to be read by the index; of more, only the latest are."""
MAX_PLACES: Final = 64
"""Places that one look-up reports."""

Steps: TypeAlias = tuple[str | int, ...]
Source: TypeAlias = Literal["argument", "document", "line", "url", "id"]

_BLANKS: Final = " \t\r\n"
_JSON_STARTS: Final = frozenset('{["-0123456789tfn')
_JSON_TEXT: Final = re.compile(r"\s*[\[{]\s*[\"'\[{\]}\d-]")


def payload_of(result: Mapping[str, Json]) -> Payload:
    """What mappings may read of a raw result: its structured content, else its text parsed as JSON; and its text.

    One more level is unwrapped where a server puts JSON into a string: `{"result": "[...]"}` and a text that is a JSON
    string of JSON both give the inner document. Several text blocks that are each a JSON object give their list, as
    servers that send one block per item mean it. Servers written in Python often answer with the `repr` of a document.
    """
    blocks, cut = _texts(result.get("content"))
    text = "\n".join(blocks)
    structured = result.get("structuredContent")
    if structured is None:
        return Payload(document=None if cut else _document_of(text, blocks), text=text, cut=cut)
    structured = _unwrapped(structured)
    if _is_larger_than(structured, MAX_NODES):
        return Payload(document=None, text=text, cut=True)
    return Payload(document=structured, text=text, cut=cut)


def status_of(result: Mapping[str, Json]) -> Status:
    """How the call ended. `empty` is a success that found nothing: no content, blank text, empty lists."""
    if result.get("isError") is True:
        return "error"
    structured = result.get("structuredContent")
    if structured is not None:
        return "empty" if _is_hollow(_unwrapped(structured)) else "ok"
    content = result.get("content")
    if not isinstance(content, list) or not content:
        return "empty"
    blocks, cut = _texts(content)
    if cut or len(blocks) < len(content):
        return "ok"
    text = "\n".join(blocks).strip()
    if not text:
        return "empty"
    if len(text) > MAX_SHORT_TEXT or text[0] not in '[{"':
        return "ok"
    return "empty" if _is_hollow(_parsed(text, instead=text)) else "ok"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stood: in an argument of event `event`, in its result's document, or in its text.

    `steps` lead to the value: names and indices in the document or the arguments; for text the one ordinal, from 0, of
    the line, address or identifier.
    """

    event: int
    server: str
    source: Source
    steps: Steps

    @property
    def path(self) -> str:
        """The steps in words: a JSONPath, or such as `line[3]` for text."""
        if self.source in ("argument", "document"):
            return "$" + "".join(f"[{step}]" if isinstance(step, int) else _member(step) for step in self.steps)
        return f"{self.source}[{self.steps[0]}]"


class ValueIndex:
    """Where each value of one session has been seen, in arguments and results, the most recent first.

    Fed event by event. Only strings of 1 to 512 characters and integers are indexed: other values are too common or
    too long to say where an argument came from. Holds at most `MAX_INDEXED` entries and forgets the oldest. What else
    a session remembers of its values goes with it.
    """

    def __init__(self) -> None:
        self._places: dict[str | int, deque[Place]] = {}
        self._order: deque[str | int] = deque()
        self._unread: deque[Event] = deque(maxlen=MAX_UNREAD)
        self.used = UsedValues()
        self.texts = ReadTexts()

    def __len__(self) -> int:
        self._read_all()
        return len(self._order)

    def add(self, event: Event) -> None:
        """Take in what `event` sent and what it brought back. Events come in the order of their index.

        Values are read out when somebody asks: calls that come faster than anything is foreseen cost nothing here.
        """
        self.used.add(event)
        self._unread.append(event)

    def _read_all(self) -> None:
        while self._unread:
            self._read(self._unread.popleft())

    def _read(self, event: Event) -> None:
        for value, place in islice(_entries(event), MAX_INDEXED_PER_EVENT):
            self._places.setdefault(value, deque()).append(place)
            self._order.append(value)
        while len(self._order) > MAX_INDEXED:
            oldest = self._order.popleft()
            places = self._places[oldest]
            places.popleft()
            if not places:
                del self._places[oldest]

    def places(self, value: Json) -> list[Place]:
        """Where `value` was seen: latest event first, within one event in order of occurrence; at most `MAX_PLACES`."""
        if not _is_indexable(value):
            return []
        self._read_all()
        recent = list(islice(reversed(self._places.get(value, ())), MAX_PLACES))
        recent.reverse()
        return sorted(recent, key=attrgetter("event"), reverse=True)


def _texts(content: Json) -> tuple[list[str], bool]:
    """The text blocks (and the texts of embedded resources), up to the limit, and whether something was cut."""
    texts: list[str] = []
    left = MAX_TEXT
    for block in content if isinstance(content, list) else ():
        text = _text_of(block)
        if text is None:
            continue
        if left <= 0 or len(text) > left:
            texts.append(text[: max(left, 0)])
            return texts, True
        texts.append(text)
        left -= len(text) + 1
    return texts, False


def _text_of(block: Json) -> str | None:
    if not isinstance(block, Mapping):
        return None
    text: Json = None
    if block.get("type") == "text":
        text = block.get("text")
    elif block.get("type") == "resource" and isinstance(resource := block.get("resource"), Mapping):
        text = resource.get("text")
    return text if isinstance(text, str) else None


def _document_of(text: str, blocks: list[str]) -> Json | None:
    document = _parsed(text, instead=None)
    if document is None and len(blocks) > 1 and all(block.lstrip()[:1] == "{" for block in blocks):
        items = [_parsed(block, instead=None) for block in blocks]
        document = None if None in items else items
    if document is None:
        document = _python_literal(text)
    document = _json_in_string(document, instead=document)
    return None if _is_larger_than(document, MAX_NODES) else document


def _unwrapped(structured: Json) -> Json:
    if isinstance(structured, Mapping) and len(structured) == 1:
        return _json_in_string(structured.get("result"), instead=structured)
    return structured


def _json_in_string(value: Json, *, instead: Json) -> Json:
    if isinstance(value, str) and len(value) <= MAX_TEXT and value.lstrip()[:1] in ("{", "["):
        return _parsed(value, instead=instead)
    return instead


def _parsed(text: str, *, instead: Json) -> Json:
    if not text or text.lstrip(_BLANKS)[:1] not in _JSON_STARTS:
        return instead
    try:
        return parse_strict(text)
    except Unkeyable:
        return instead


def _python_literal(text: str) -> Json:
    """The JSON value that a text is in the notation of Python, or None."""
    if len(text) > MAX_LITERAL or text[:1] not in ("{", "["):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escape sequences that Python does not know
            tree = ast.parse(text, mode="eval")
        if any(_repeats_a_name(node) for node in ast.walk(tree) if isinstance(node, ast.Dict)):
            return None
        value = ast.literal_eval(tree)
        canonical(value)
    except (Unkeyable, ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value


def _repeats_a_name(written: ast.Dict) -> bool:
    names = [name.value for name in written.keys if isinstance(name, ast.Constant)]
    return len(set(names)) < len(names)


def _is_larger_than(document: Json, limit: int) -> bool:
    stack: list[Json] = [document]
    seen = 0
    while stack:
        node = stack.pop()
        seen += 1
        if isinstance(node, Mapping | list):
            if seen + len(stack) + len(node) > limit:
                return True
            stack.extend(node.values() if isinstance(node, Mapping) else node)
    return seen > limit


def _is_hollow(value: Json, depth: int = 3) -> bool:
    """Nothing in it: blank, an empty list or object, or an object of only such things and zero counts."""
    if value is None or (isinstance(value, str) and not value.strip()) or value in ([], {}):
        return True
    if not isinstance(value, Mapping) or depth == 0 or len(value) > 32:
        return False
    hollow = [_is_hollow(inner, depth - 1) for inner in value.values()]
    # `{"matches": [], "count": 0}` found nothing, `{"exists": false}` is an answer.
    counts = [inner == 0 and isinstance(inner, int | bool) for inner in value.values()]
    return any(hollow) and all(empty or zero for empty, zero in zip(hollow, counts, strict=True))


def _entries(event: Event) -> Iterator[tuple[str | int, Place]]:
    def at(source: Source, found: Iterable[tuple[str | int, Steps]]) -> Iterator[tuple[str | int, Place]]:
        return ((value, Place(event.index, event.call.server, source, steps)) for value, steps in found)

    yield from at("argument", _scalars(event.call.arguments))
    yield from at("document", _scalars(event.payload.document))
    text = event.payload.text[:MAX_INDEXED_TEXT]
    if event.payload.document is not None and _JSON_TEXT.match(text):
        return  # the text only repeats the document
    lines = (line.strip() for line in text.split("\n"))
    yield from at("line", ((line, (at_line,)) for at_line, line in enumerate(lines) if _is_indexable(line)))
    yield from at("id", ((value, (ordinal,)) for ordinal, value in enumerate(typed.ids(text))))
    yield from at(
        "url", ((value, (ordinal,)) for ordinal, value in enumerate(typed.urls(text)) if _is_indexable(value))
    )


def _scalars(document: Json) -> Iterator[tuple[str | int, Steps]]:
    """The indexable values of `document` in order, with the steps that lead to them."""
    stack: list[tuple[Steps, Json]] = [((), document)]
    seen = 0
    while stack and seen < MAX_NODES:
        steps, node = stack.pop()
        seen += 1
        if _is_indexable(node):
            yield node, steps
        elif len(steps) < MAX_DEPTH and isinstance(node, Mapping | list):
            inner = node.items() if isinstance(node, Mapping) else enumerate(node)
            stack.extend(reversed([((*steps, step), value) for step, value in islice(inner, MAX_INDEXED_PER_EVENT)]))


def _is_indexable(value: Json) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= MAX_INDEXED_VALUE
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64


def _member(name: Json) -> str:
    return f".{name}" if isinstance(name, str) and name.isidentifier() else f'."{name}"'
