# ruff: noqa: E501 - a table reads better in lines
"""Every bound on what comes in: taken at the limit, refused one beyond it, by an error of ours or by leaving it out.

(The bounds of HTTP are in test_safety_http.py, those of what speculation may use in the core's tests.)
"""

import asyncio
import json
import time

import anyio
import pytest
from mcp import MCPError
from safety_keeper import Keeper, call, hosts_at

from paste_mcp.config import ConfigError, load_config
from paste_mcp.config.auth import LONGEST_TOKEN, MAX_TOKENS, SHORTEST_TOKEN, parse_auth
from paste_mcp.config.errors import Place
from paste_mcp.config.load import LARGEST
from paste_mcp.config.servers import LONGEST_ALIAS, check_aliases
from paste_mcp.core.keys import MAX_DEPTH, Unkeyable, canonical
from paste_mcp.core.model import Event, ToolCall
from paste_mcp.core.patterns import language, paths, reader
from paste_mcp.core.patterns.extract import MAX_NODES, MAX_TEXT, ValueIndex, payload_of
from paste_mcp.core.patterns.language import parse_pool
from paste_mcp.core.patterns.paths import Budget, PathError, compile_path, walk
from paste_mcp.core.patterns.problems import PatternError
from paste_mcp.core.prediction.fits import fitted
from paste_mcp.core.speculation.cache import MAX_LIVE
from paste_mcp.proxy import named, pipes, rounds
from paste_mcp.proxy.events import EventReader
from paste_mcp.proxy.lines import MAX_NOISE, LineDispatcher
from paste_mcp.proxy.named import NamedSessions
from paste_mcp.proxy.tokens import MAX_TOKEN_CHARS, Verifiers
from paste_mcp.proxy.wire import DEEPEST, decode, encode
from paste_mcp.store import pattern_files, traces
from paste_mcp.store.logins import MAX_BYTES as LOGIN_BYTES
from paste_mcp.store.logins import LoginFile
from paste_mcp.store.pattern_files import PatternFileError, parse_patterns, read_text
from paste_mcp.store.traces import BrokenSession, TraceError, read_traces, session_of


def deep(levels, document=0):
    for _ in range(levels):
        document = [document]
    return document


def pattern(**changed):
    plain = {"name": "p", "context": [{"tool": "a"}], "target": {"tool": "b"}, "probability": 0.5}
    return {"version": 1, "patterns": [plain | changed]}


def pool(**changed):
    return parse_pool(pattern(**changed), users_own=True)


def nested(levels):
    source = {"const": "x"}
    for _ in range(levels):
        source = {"join": [source, {"const": "y"}]}
    return {"x": source}


def joined(parts, separator=""):
    return {"x": {"join": [{"const": "a"}] * parts, "with": separator}}


def picked(rank):
    return {"x": {"result": -1, "path": "$.a[*]", "pick": {rank: 0.5}}}


def brackets(levels):
    return parse_patterns("[" * levels + "]" * levels, pattern_files.Path("p"), users_own=True)


def token(length):
    auth = {"tokens": [{"token": "${T}", "principal": "a"}]}
    return parse_auth(auth, Place("c"), {"T": "t" * length}, None)


def tokens(count):
    auth = {"tokens": [{"token": f"${{T}}{n:04}", "principal": "a"} for n in range(count)]}
    return parse_auth(auth, Place("c"), {"T": "t" * SHORTEST_TOKEN}, None)


def read_again(bytes_):
    return list(EventReader(100).read(b"data:" + b"x" * (bytes_ - 7) + b"\n\n"))


def session(calls):
    return session_of(json.dumps({"calls": [{"tool": "t"}] * calls}), "s")


# what it bounds, the limit, what takes so much, what refuses more
TABLE = [
    ("depth of a message", DEEPEST, lambda n: encode(decode(b"[" * n + b"]" * n)), ValueError),
    ("depth of a call's arguments", MAX_DEPTH - 2, lambda n: canonical({"a": deep(n)}), Unkeyable),
    ("bytes of an event", 100, read_again, ValueError),
    ("characters of an alias", LONGEST_ALIAS, lambda n: check_aliases(["a" * n], Place("c")), ConfigError),
    ("characters of a token", LONGEST_TOKEN, token, ConfigError),
    ("characters that a token lacks", -SHORTEST_TOKEN, lambda n: token(-n), ConfigError),
    ("tokens", MAX_TOKENS, tokens, ConfigError),
    ("calls of a traced session", traces.MAX_CALLS, session, BrokenSession),
    ("elements of a context", language.MAX_CONTEXT, lambda n: pool(context=[{"tool": "a"}] * n), PatternError),
    ("arguments of a pattern", language.MAX_ARGUMENTS, lambda n: pool(arguments={str(i): 1 for i in range(n)}), PatternError),
    ("characters of a name", language.MAX_PATTERN_NAME, lambda n: pool(name="n" * n), PatternError),
    ("alternatives", reader.MAX_ALTERNATIVES, lambda n: pool(arguments={"x": {"result": -1, "path": ["$.a"] * n}}), PatternError),
    ("nested sources", reader.MAX_NESTING - 1, lambda n: pool(arguments=nested(n)), PatternError),
    ("parts of a join", reader.MAX_PARTS, lambda n: pool(arguments=joined(n)), PatternError),
    ("characters between parts", reader.MAX_SEPARATOR, lambda n: pool(arguments=joined(2, "-" * n)), PatternError),
    ("a rank", reader.MAX_RANK, lambda n: pool(arguments=picked(n)), PatternError),
    ("bytes of a constant", reader.MAX_CONST - 2, lambda n: pool(arguments={"x": "c" * n}), PatternError),
    ("steps of a path", paths.MAX_STEPS, lambda n: compile_path("$" + ".a" * n), PathError),
    ("characters of a path", paths.MAX_PATH_TEXT, lambda n: compile_path("$." + "a" * (n - 2)), PathError),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "take", "error"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_so_much_is_taken_and_one_more_is_refused(limit, take, error):
    take(limit)
    with pytest.raises(error):
        take(limit + 1)


def test_brackets_beyond_a_depth_are_refused_before_they_are_parsed():
    with pytest.raises(PatternFileError, match="nested too deeply"):
        brackets(pattern_files.MAX_DEPTH + 2)
    began = time.process_time()
    with pytest.raises(PatternFileError, match="nested too deeply"):
        brackets(100_000)
    assert time.process_time() - began < 1.0


def test_a_pattern_file_is_read_up_to_its_size(tmp_path):
    path = tmp_path / "p.yaml"
    for more in (0, 1):
        path.write_text("#" * (pattern_files.MAX_FILE + more))
        if more:
            with pytest.raises(PatternFileError, match="larger than 256 KiB"):
                read_text(path)
        else:
            assert len(read_text(path)) == pattern_files.MAX_FILE


def test_a_pool_holds_so_many_patterns(monkeypatch):
    monkeypatch.setattr(language, "MAX_PATTERNS", 3)
    many = [pattern(name=str(n))["patterns"][0] for n in range(4)]
    assert len(parse_pool({"version": 1, "patterns": many[:3]}, users_own=True)) == 3
    with pytest.raises(PatternError):
        parse_pool({"version": 1, "patterns": many}, users_own=True)


def test_a_config_file_is_read_up_to_its_size(tmp_path):
    path, text = tmp_path / "c.json", '{"mcpServers": {"a": {"command": "x"}}}'
    path.write_text(text + " " * (LARGEST - len(text)))
    assert load_config(path, {}).servers
    path.write_text(text + " " * (LARGEST - len(text) + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load_config(path, {})


def test_a_trace_has_so_long_lines_and_so_many_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(traces, "MAX_LINE", 100)
    monkeypatch.setattr(traces, "MAX_SESSIONS", 3)
    path, line = tmp_path / "t.jsonl", '{"calls": []}'
    path.write_text((line + "\n") * 3 + "\n")
    with pytest.raises(TraceError, match="more than 3 sessions"):
        list(read_traces(path))
    path.write_text(line + " " * (99 - len(line)) + "\n")
    assert len(list(read_traces(path))) == 1
    path.write_text(line + " " * (100 - len(line)) + "\n")
    with pytest.raises(TraceError, match="longer than"):
        list(read_traces(path))


def test_a_login_is_read_up_to_its_size(tmp_path):
    file = LoginFile(tmp_path, "a", "http://h/mcp")
    size = len(json.dumps({"x": "", "url": "http://h/mcp"}))
    file.write({"x": "x" * (LOGIN_BYTES - size)})
    assert file.read() is not None
    file.write({"x": "x" * (LOGIN_BYTES - size + 1)})
    assert file.read() is None


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_token_is_looked_at_up_to_its_length(anyio_backend):
    asked = []

    class Any:
        async def verify_token(self, given):
            asked.append(given)
            return

    verifiers = Verifiers(tokens(1))
    verifiers._verifiers = [Any()]
    for length in (MAX_TOKEN_CHARS, MAX_TOKEN_CHARS + 1):
        await verifiers.verify_token("x" * length)
    assert [len(given) for given in asked] == [MAX_TOKEN_CHARS]


# --- what a peer may send -------------------------------------------------------------------------------------------


class Heard:
    def __init__(self):
        self.lines, self.over = [], False

    def heard_line(self, line):
        self.lines.append(line)

    def ended(self):
        self.over = True


@pytest.mark.parametrize("bytes_", [1000, 1001])
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_a_line_goes_on_for_so_long_and_then_its_peer_is_cut_off(monkeypatch, bytes_, piece):
    monkeypatch.setattr(pipes, "MAX_LINE_BYTES", 1000)
    pipe, heard = pipes.BytePipe(), Heard()
    pipe.listen(heard)
    pipe.data_received(b"first\n")
    for at in range(0, bytes_, piece):
        pipe.data_received(b"x" * min(piece, bytes_ - at))
    assert heard.over is (bytes_ > 1000)
    if not heard.over:
        pipe.data_received(b"\n")
        assert heard.lines == [b"first", b"x" * 1000]


class Sink:
    full = False

    def listen(self, listener):
        self.listener = listener

    def write(self, data):
        pass


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("more", [0, 1])
async def test_so_many_lines_in_a_row_may_be_noise(more, anyio_backend):
    sink = Sink()
    dispatcher = LineDispatcher(sink)

    async def nothing(*_):
        return {}

    running = asyncio.ensure_future(dispatcher.run(nothing, nothing))
    await asyncio.sleep(0)
    for _ in range(MAX_NOISE + more):
        sink.listener.heard_line(b"noise")
    await asyncio.sleep(0)
    assert running.done() is bool(more)
    if more:
        with pytest.raises(ConnectionError):
            await running
    else:
        sink.listener.ended()
        await running


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_so_many_sessions_have_a_name(monkeypatch, anyio_backend):
    monkeypatch.setattr(named, "MAX_NAMED", 3)

    class Session:
        in_use, used_at = 0, 0.0

    async def open_session(_):
        return Session()

    sessions = NamedSessions(open_session, open_session)
    for n in range(3):
        await sessions.get(("me", str(n)))
    with pytest.raises(MCPError, match="too many named sessions"):
        await sessions.get(("me", "3"))
    assert await sessions.get(("me", "2")) is not None


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("more", [0, 1])
async def test_a_server_may_ask_back_so_often(monkeypatch, more, anyio_backend):
    monkeypatch.setattr(rounds, "_FIRST_PAUSE_S", 0)
    left = [rounds.MAX_ROUNDS - 1 + more]

    async def again(_):
        left[0] -= 1
        return {"resultType": "input_required" if left[0] >= 0 else "complete"}

    completing = rounds.complete({"resultType": "input_required"}, {}, None, again)
    if more:
        with pytest.raises(MCPError, match="more than"):
            await completing
    else:
        assert (await completing)["resultType"] == "complete"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_result_with_countless_candidates_starts_few_guesses(tmp_path, anyio_backend):
    class Wide(Keeper):
        async def _run(self, ran):
            found = await super()._run(ran)
            return found | {"urls": [f"u/{n}" for n in range(10_000)]} if ran.tool == "search" else found

    keeper = Wide(slow_s=0.0)
    async with hosts_at({"k": keeper}, tmp_path) as (host,):
        for n in range(4):
            await call(host, "search", query=str(n))
            await anyio.sleep(0.1)
        ledger = host.session.engine.ledger
        assert 0 < ledger.issued <= 4 * 3
        assert ledger.live <= MAX_LIVE


# --- time -----------------------------------------------------------------------------------------------------------


def spent(work):
    began = time.process_time()
    work()
    return time.process_time() - began


HOSTILE = {
    "wide": {"a": [{"b": n, "c": "x" * 10} for n in range(MAX_NODES)]},
    "deep": {"a": deep(900)},
    "text": {"a": "[" * MAX_TEXT},
    "long": {"a": ["x" * 1000] * 1000},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_a_result_looks_like_reading_it_takes_little_time(kind):
    document = HOSTILE[kind]

    def read():
        text = {"content": [{"type": "text", "text": json.dumps(document)}]}
        for raw in ({"structuredContent": document, "content": []}, text):
            payload = payload_of(raw)
            index = ValueIndex()
            index.add(Event(0, 0, ToolCall("s", "t", {}), "ok", payload, 0.0))
            index.places("x")
            walk(compile_path("$.a[*].b"), payload.document, Budget(10_000))
            list(walk(compile_path("$" + "[*]" * 16), payload.document, Budget(10_000)))

    assert spent(read) < 1.0


def test_whatever_a_schema_looks_like_checking_against_it_takes_little_time():
    branch = {"anyOf": [{"type": "string"}] * 50}
    for _ in range(8):
        branch = {"anyOf": [branch] * 50, "allOf": [branch] * 50}
    wide = {"properties": {"x": {"enum": list(range(100_000))}}, "required": ["x"] * 100_000}
    ref = {"properties": {"x": {"$ref": "#/properties/x"}}}
    remote = {"properties": {"x": {"$ref": "http://127.0.0.1:9/schema"}}}
    for schema in ({"properties": {"x": branch}}, wide, ref, remote):
        assert spent(lambda schema=schema: fitted({"x": "1"}, schema)) < 0.5
