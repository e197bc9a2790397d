# ruff: noqa: E501 - inputs read better whole
"""Whatever comes in is taken or refused by an error of ours: from the wire, from files, from servers."""

import asyncio
import copy
import json
import math
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from paste_mcp.config import ConfigError, parse_config
from paste_mcp.config.jsonc import read_jsonc
from paste_mcp.core.patterns.paths import Budget, PathError, compile_path, path_text, walk
from paste_mcp.core.prediction.fits import fitted
from paste_mcp.core.speculation.policy import decide_tool
from paste_mcp.core.speculation.settings import ServerPolicy
from paste_mcp.proxy.catalogue import Catalogue
from paste_mcp.proxy.events import EventReader
from paste_mcp.proxy.lines import LineDispatcher
from paste_mcp.proxy.wire import decode, encode
from paste_mcp.store.pattern_files import PatternFileError, parse_patterns
from paste_mcp.store.traces import BrokenSession, session_of

ODD = [
    "\x00", "\ud800", "\u2028", "é", "\"", "\\", "{", "}", "[", "]", ":", ",", "#", "&a", "*a", "!!python/object:x",
    "<<", "- ", "? ", "|", "%", "`", "1e999", "-0", "9" * 40, "NaN", "null", "~", "${A}", "$", "$..x", "[*]", "[?(@.a)]",
    "[1:2]", "\"" * 3, "\t", "\r\n", "[" * 2000, "{\"a\":" * 300, "/*", "//", "\ufeff",
]  # fmt: skip


def changed(text, changes):
    """The text cut, and with odd things put into it."""
    for anywhere, width, put in changes:
        at = anywhere % (len(text) + 1)
        text = text[:at] + put + text[at + width :]
    return text


def mutated(*texts):
    """One of these, changed."""
    anywhere, width = st.integers(0, 10_000), st.integers(0, 40)
    changes = st.lists(st.tuples(anywhere, width, st.sampled_from(ODD) | st.text(max_size=3)), max_size=4)
    return st.builds(changed, st.sampled_from(texts), changes)


def quickly(chance, texts):
    """What `mutated` makes, a hundred times as fast, but not made smaller where it fails."""
    changes = [
        (chance.randrange(10_000), chance.choice([0, 0, 1, 2, 40]), chance.choice(ODD))
        for _ in range(chance.randrange(5))
    ]
    return changed(chance.choice(texts), changes)


def odd_value(chance, deep=4):
    """Any JSON value, often with a key or a value that means something in a tool's definition."""
    kind = chance.randrange(9 if deep else 6)
    if kind > 6:
        return [odd_value(chance, deep - 1) for _ in range(chance.randrange(4))]
    if kind > 5:
        return {chance.choice(KEYS): odd_value(chance, deep - 1) for _ in range(chance.randrange(6))}
    return chance.choice([None, True, False, chance.randrange(-9, 2**70), chance.random(), *ODD, *KEYS])


KEYS = (
    "name inputSchema outputSchema annotations readOnlyHint openWorldHint destructiveHint description type object string"
    " properties required enum const items anyOf allOf oneOf $ref additionalProperties format x y query path sql"
).split()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


# --- targets: each takes one input, and raises where something is wrong ---------------------------------------------

MESSAGE = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":[1,2.5,null,"é"]}}}'
LINE_TEXTS = (
    MESSAGE,
    '{"jsonrpc":"2.0","id":"a","result":{"content":[]}}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"x","data":{}}}',
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":2}}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
)
LINES = mutated(*LINE_TEXTS)


class Pipe:
    """Where a dispatcher writes to."""

    full = False

    def listen(self, listener):
        self.listener = listener

    def hold(self):
        pass

    def go_on(self):
        pass

    def write(self, data):
        assert data.endswith(b"\n")
        json.loads(data)

    async def drain(self):
        pass


def refuse(name):
    raise AssertionError(f"{name} is no JSON")


def finite(value):
    """JSON has no word for infinity, which 1e999 is to everybody who reads it."""
    if isinstance(value, dict):
        return {name: finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


LOOP = asyncio.new_event_loop()


def line(text):
    raw = text.encode("utf-8", "surrogatepass")
    try:
        value = decode(raw)
    except ValueError:
        value = None
    else:
        again = json.loads(encode(value), parse_constant=refuse)
        assert repr(again) == repr(finite(value))

    async def hear():
        async def answer(_, method, params):
            return {"method": method}

        async def ignore(*_):
            return None

        pipe = Pipe()
        dispatcher = LineDispatcher(pipe)
        running = asyncio.ensure_future(dispatcher.run(answer, ignore))
        await asyncio.sleep(0)
        for one in raw.split(b"\n"):
            dispatcher.heard_line(one)
        await asyncio.sleep(0)
        dispatcher.ended()
        await running

    LOOP.run_until_complete(hear())


def config(text):
    try:
        found = parse_config(read_jsonc(text, "c.json"), "c.json", {"A": "a"}, Path("/nowhere"))
    except ConfigError as error:
        assert str(error).isprintable()
    else:
        assert found.servers
        for alias in found.servers:
            found.policy(alias)


CONFIG_TEXTS = (
    '{"mcpServers": {"git": {"command": "uvx", "args": ["x", "${A}"], "env": {"K": "v"}, "speculation": "annotated"}}}',
    '{"mcpServers": {"a": {"url": "https://h/mcp", "auth": "oauth", "headers": {"X": "${A}"}}}, "paste": {"prefix": true,'
    ' "auth": {"tokens": [{"token": "${A}", "principal": "x"}], "oauth": {"issuer": "https://i", "resource": "https://r"}}}}',
    '// comment\n{"servers": {"a": {"command": "x", "speculation": {"mode": "listed", "allow": ["t*"]}}}, "paste":'
    ' {"limits": {"total": 3, "ttl_s": 1.5}, "record": "full", "patterns": ["p.yaml"]}}',
)
CONFIGS = mutated(*CONFIG_TEXTS)  # fmt: skip


def pattern_file(text):
    try:
        found = parse_patterns(text, Path("p.yaml"), users_own=True)
    except PatternFileError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(found, list)


PATTERN_TEXTS = (
    """version: 1
patterns:
  - name: search-then-visit
    context: [{server: research, tool: "*search*", status: ok}]
    target: {server: same, tool: visit}
    arguments:
      url: {result: -1, path: "$.results[*].url", pick: {1: .38, 2: .20}}
      other: {join: [{argument: -1, name: a}, {const: x}], with: "/"}
    probability: 0.51
    evidence: {seen: 4, hit: 2}
""",
    "version: 1\npatterns:\n  - {name: a, context: [{tool: x}], target: {tool: same}, probability: 0.5, arguments: {p: {successor: {argument: -1, name: p}}}}\n",
)
PATTERNS = mutated(*PATTERN_TEXTS)

DOCUMENT = {"a": [{"b": 1, "c": ["x"]}, {"b": 2}], "b": {"c": {"d": [[1, 2], [3]]}}, "": None, "é": 1}


def path(text):
    try:
        steps = compile_path(text)
    except PathError:
        return
    assert compile_path(path_text(steps)) == steps
    list(walk(steps, DOCUMENT, Budget(1000)))


PATH_TEXTS = ("$.a[*].b", "$['a'][0].c[-1]", "$.b.c.d[*][0:2]", '$["é"]', "$", "$.a[1:]")
PATHS = mutated(*PATH_TEXTS) | st.text(max_size=20)


def trace(text):
    with suppress(BrokenSession):
        session_of(text, "t")


TRACE_TEXTS = (
    '{"id": "s", "source": "x", "tools": ["a"], "calls": [{"turn": 0, "tool": "a__b", "arguments": {"x": 1}, "result": "r",'
    ' "ok": true, "duration_s": 0.5}, {"turn": 1, "tool": "c", "arguments": {}, "result": null}]}',
    '{"session": "s", "calls": [{"tool": "x", "args": {"a": [1]}, "result": {"content": [{"type": "text", "text": "{}"}]}}]}',
)
TRACES = mutated(*TRACE_TEXTS)


def tools(definitions):
    before = copy.deepcopy(definitions)
    catalogue = Catalogue(["a", "b"], prefix=True)
    for tool in catalogue.set_tools("a", definitions):
        for policy in (ServerPolicy(), ServerPolicy(mode="annotated"), ServerPolicy(mode="listed", allow=("*",))):
            decide_tool(policy, tool)
        shown = catalogue.expose("a", tool.name)
        assert catalogue.resolve(shown) == ("a", tool.name)
        fitted({"x": 1, "y": "z"}, tool.input_schema)
    assert repr(definitions) == repr(before)


SCHEMA = st.recursive(
    st.fixed_dictionaries(
        {}, optional={"type": st.sampled_from(["object", "string", "array", 1, None]) | JSON, "enum": JSON, "const": JSON,
                      "required": st.lists(st.sampled_from(["x", "y"])) | JSON, "$ref": JSON, "format": JSON}
    ),
    lambda inner: st.fixed_dictionaries(
        {}, optional={"properties": st.dictionaries(st.sampled_from(["x", "y", ""]), inner) | JSON, "items": inner | JSON,
                      "anyOf": st.lists(inner, max_size=3) | JSON, "allOf": st.lists(inner, max_size=2), "type": st.just("object")}
    ),
    max_leaves=6,
)  # fmt: skip
TOOLS = st.lists(
    JSON
    | st.fixed_dictionaries(
        {"name": st.sampled_from(["read", "", "a__b", "delete_all", "x" * 200]) | st.text(max_size=6) | JSON},
        optional={
            "inputSchema": SCHEMA | JSON,
            "outputSchema": SCHEMA | JSON,
            "annotations": st.dictionaries(st.sampled_from(["readOnlyHint", "openWorldHint", "destructiveHint"]), JSON)
            | JSON,
            "description": JSON,
        },
    ),
    max_size=4,
)


def events(text):
    reader = EventReader(4096)
    raw = text.encode("utf-8", "surrogatepass")
    with suppress(ValueError):
        for at in range(0, len(raw), 7):
            list(reader.read(raw[at : at + 7]))


EVENT_TEXTS = (
    f"id: 1\nevent: message\ndata: {MESSAGE}\n\n",
    "retry: 5\n\n: hello\r\ndata\rdata:x\n\n",
    "data: {\ndata: }\n\n",
)
EVENTS = mutated(*EVENT_TEXTS)

TARGETS = {
    "lines": (line, LINES, LINE_TEXTS),
    "events": (events, EVENTS, EVENT_TEXTS),
    "config": (config, CONFIGS, CONFIG_TEXTS),
    "patterns": (pattern_file, PATTERNS, PATTERN_TEXTS),
    "paths": (path, PATHS, PATH_TEXTS),
    "traces": (trace, TRACES, TRACE_TEXTS),
    "tools": (tools, TOOLS, ()),
}


@pytest.mark.parametrize(
    ("searched", "most"), [(60, 2_000), pytest.param(2_000, 100_000, marks=pytest.mark.fuzz)], ids=["small", "many"]
)
@pytest.mark.parametrize("target", TARGETS)
def test_odd_input_is_taken_or_refused_by_an_error_of_ours(spell, target, searched, most):
    take, inputs, texts = TARGETS[target]
    done, slowest = 0, 0.0

    def try_it(given):
        nonlocal done, slowest
        began = time.process_time()
        take(given)
        done, slowest = done + 1, max(slowest, time.process_time() - began)

    how = settings(
        max_examples=min(searched, 200), database=None, suppress_health_check=list(HealthCheck), phases=tuple(Phase)[1:]
    )
    while done < searched and not spell.over:
        seed(spell.seed + done)(how(given(inputs)(try_it)))()
    for _ in spell.rounds(most - done):
        odd = quickly(spell.random, texts) if texts else [odd_value(spell.random) for _ in range(3)]
        try:
            try_it(odd)
        except Exception as error:
            error.add_note(f"of {odd!r}")
            raise
    spell.tell(inputs=done, slowest_s=round(slowest, 3))
    assert slowest < 2.5, "no input may take long, however odd"


def test_the_shapes_that_odd_input_is_made_of_are_taken_as_they_are():
    """Else all could pass by refusing everything."""
    for text in CONFIG_TEXTS:
        assert parse_config(read_jsonc(text, "c"), "c", {"A": "a" * 16}, Path("/nowhere")).servers
    for text in PATTERN_TEXTS:
        assert parse_patterns(text, Path("p"), users_own=True)
    for text in TRACE_TEXTS:
        assert session_of(text, "t").calls
    for text in PATH_TEXTS:
        assert compile_path(text) is not None
