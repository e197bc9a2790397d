"""Faults of real processes and connections: each call gets one answer, the right one or an error, and runs once."""

import asyncio
import json
import random
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from hosts import Host
from integration_harness import within
from mcp import MCPError
from safety_listening import served
from safety_tcp import TOXICS, BadNet
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from paste_mcp.app import build
from paste_mcp.config import parse_config
from paste_mcp.proxy import downstream
from paste_mcp.proxy.lines import LineDispatcher

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent
SILENT_S = 0.5
DEADLINE_S = 30.0
RIGHT = """in two parts; byte by byte; stopped for a while; half a pair; twice; wrong id first; no id;
 list_changed storm; progress for nobody; huge; deep; noise; noise on stderr; CRLF; asks back; huge number; fine"""
WRONG = """exit before the answer; exit in mid-answer; killed; answer without a line break; invalid UTF-8; late; never;
 too deep; null as a result; a list as a result; a text as an error; an odd error; neither"""
RIGHT, WRONG = ([kind.strip() for kind in kinds.replace("\n", "").split(";")] for kinds in (RIGHT, WRONG))
EITHER = {"answer without a line break", "stopped for a while"}
"""Whether a last line counts that lacks its end, and whether a pause of 0.2 s is one of 0.5 s on a busy machine."""


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def soon_again(monkeypatch):
    monkeypatch.setattr(downstream, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(downstream, "LONGEST_PAUSE_S", 0.1)


@asynccontextmanager
async def before(entry, state, count=1):
    """Hosts before a proxy that really starts, or reaches, the server."""
    servers = {"f": {"start_timeout_s": 10, "call_timeout_s": SILENT_S, **entry}}
    paste = {"default_patterns": False, "learning": "off", "prefix": False}
    proxy = build(parse_config({"mcpServers": servers, "paste": paste}, "test", {}, state), [], state)
    async with proxy.running(), anyio.create_task_group() as tasks:
        hosts, leave = [], asyncio.Event()

        async def stay(*, task_status):
            async with Host().at(proxy) as host:
                await host.greet()
                hosts.append(host)
                task_status.started()
                await leave.wait()

        for _ in range(count):
            await tasks.start(stay)
        yield hosts
        leave.set()


class Tally:
    """What came of calls, each with a nonce of its own."""

    def __init__(self):
        self.outcomes = Counter()
        self.kinds = Counter()
        self._count = 0

    async def call(self, host, how):
        """right, or error; a wrong answer, or none, fails."""
        self._count += 1
        nonce = f"nonce-{self._count:07}"
        params = {"name": "echo", "arguments": {"how": how, "nonce": nonce}}
        self.kinds[how] += 1
        try:
            with anyio.fail_after(DEADLINE_S):
                result = await host.request("tools/call", params)
        except MCPError as error:
            assert error.message
            outcome = "error"
        else:
            assert [block["text"] for block in result["content"]] == [nonce], (how, str(result)[:200])
            outcome = "right"
        self.outcomes[outcome] += 1
        return outcome


def executed_once(log):
    counts = Counter(log.read_text().split())
    assert counts.most_common(1)[0][1] == 1, counts.most_common(3)
    return counts.total()


@within(60)
async def test_after_each_fault_of_a_process_the_call_has_one_answer_and_the_next_one_works(tmp_path):
    log, tally = tmp_path / "log", Tally()
    entry = {"command": sys.executable, "args": ["-ES", str(HERE / "safety_fault_server.py"), str(log)]}
    assert len(RIGHT) + len(WRONG) >= 25
    async with before(entry, tmp_path) as (host,):
        for how in RIGHT + WRONG:
            outcome = await tally.call(host, how)
            assert how in EITHER or outcome == ("right" if how in RIGHT else "error"), how
            while await tally.call(host, "fine") == "error":
                assert how in ("late", "never", "stopped for a while", "killed") or "answer" in how, how
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(tally.call, host, "reordered")
    executed_once(log)


@pytest.mark.chaos
@within(3600)
async def test_many_faults_of_processes(tmp_path, spell):
    log, tally = tmp_path / "log", Tally()
    entry = {"command": sys.executable, "args": ["-ES", str(HERE / "safety_fault_server.py"), str(log)]}
    kinds = [kind for kind in RIGHT + WRONG if kind not in ("huge",)]

    async with before(entry, tmp_path, count=12) as hosts:

        async def work(host, chance):
            while not spell.over:
                await tally.call(host, chance.choice(kinds))

        async with anyio.create_task_group() as tasks:
            for host in hosts:
                tasks.start_soon(work, host, random.Random(spell.random.random()))
                tasks.start_soon(work, host, random.Random(spell.random.random()))
    spell.tell(injected=tally.kinds.total(), kinds=len(tally.kinds), **tally.outcomes, executed=executed_once(log))


async def test_a_program_that_is_not_there_is_an_error_for_its_own_server_alone(tmp_path):
    async with before({"command": str(tmp_path / "none")}, tmp_path) as (host,):
        assert await Tally().call(host, "fine") == "error"


# --- connections ----------------------------------------------------------------------------------------------------

STATUSES = (400, 401, 404, 429, 500, 502, 503)
ODD = ("empty", "text", "no JSON", "wrong id", "null", "two answers", "events", "cut events", "no end", "redirect")


class Remote:
    """A server over HTTP without the SDK, which answers as it is told to."""

    def __init__(self):
        self.ran = Counter()
        self.app = Starlette(routes=[Route("/mcp", self._answer, methods=["POST", "GET", "DELETE"])])

    async def _answer(self, request):
        if request.method != "POST":
            return Response(status_code=405)
        message = json.loads(await request.body())
        if "id" not in message:
            return Response(status_code=202)
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        match message["method"]:
            case "initialize":
                about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "r", "version": "1"}}
                return JSONResponse({**answer, "result": {"protocolVersion": "2025-11-25", **about}})
            case "tools/list":
                return JSONResponse({**answer, "result": {"tools": [{"name": "echo", "inputSchema": {}}]}})
            case "tools/call":
                arguments = message["params"]["arguments"]
                self.ran[arguments["nonce"]] += 1
                answer["result"] = {"content": [{"type": "text", "text": arguments["nonce"]}]}
                return self._odd(arguments["how"], answer)
        return JSONResponse({**answer, "error": {"code": -32601, "message": "Method not found"}})

    def _odd(self, how, answer):
        event = f"data: {json.dumps(answer)}\n\n"
        stream = "text/event-stream"
        match how:
            case int():
                return Response("no", status_code=how, headers={"retry-after": "1"})
            case "empty":
                return Response(media_type="application/json")
            case "text":
                return Response("hello", media_type="text/html")
            case "no JSON":
                return Response("{", media_type="application/json")
            case "wrong id":
                return JSONResponse({**answer, "id": 4711})
            case "null":
                return JSONResponse({**answer, "result": None})
            case "two answers":
                second = {**answer, "result": {"content": [{"type": "text", "text": "a second answer"}]}}
                return Response(f"{event}data: {json.dumps(second)}\n\n", media_type=stream)
            case "events":
                return Response(f": hello\n\nid: 1\ndata:\n\nevent: other\ndata: x\n\n{event}", media_type=stream)
            case "cut events":
                return Response(event[:30], media_type=stream)
            case "no end":

                async def forever():
                    yield event
                    await asyncio.sleep(0.3)

                return StreamingResponse(forever(), media_type=stream)
            case "redirect":
                return Response(status_code=302, headers={"location": "http://127.0.0.1:9/"})
        return JSONResponse(answer)


@asynccontextmanager
async def over_bad_net(tmp_path, spell, count=1):
    remote = Remote()
    async with served(remote.app) as url:
        net = BadNet(int(url.rpartition(":")[2]), spell.random)
        async with net.listening(), before({"url": f"http://127.0.0.1:{net.port}/mcp"}, tmp_path, count) as hosts:
            yield remote, net, hosts


@within(60)
async def test_after_each_fault_of_a_connection_the_call_has_one_answer_and_the_next_one_works(tmp_path, spell):
    tally = Tally()
    async with over_bad_net(tmp_path, spell) as (remote, net, (host,)):
        for how in (*STATUSES, *ODD):
            right = how in ("wrong id", "two answers", "events", "no end")
            assert await tally.call(host, how) == ("right" if right else "error"), how
            assert await tally.call(host, "fine") == "right"
        for toxic in TOXICS:
            net.toxic = toxic
            outcome = await tally.call(host, "fine")
            assert outcome == "right" or toxic not in ("none", "slicer", "slow close"), toxic
            net.toxic = "none"
            while await tally.call(host, "fine") == "error":
                pass  # the test's own deadline ends it
        assert net.injected >= 8
    assert remote.ran.most_common(1)[0][1] == 1, "no call was made twice"


@pytest.mark.chaos
@within(3600)
async def test_many_faults_of_connections(tmp_path, spell):
    tally = Tally()
    async with over_bad_net(tmp_path, spell, count=12) as (remote, net, hosts):

        async def work(host, chance):
            while not spell.over:
                await tally.call(host, chance.choice([*STATUSES, *ODD, *["fine"] * 10]))

        async with anyio.create_task_group() as tasks:
            for host in hosts:
                tasks.start_soon(work, host, random.Random(spell.random.random()))
            while not spell.over:
                net.toxic = spell.random.choice(TOXICS)
                await anyio.sleep(0.2)
        odd = sum(count for how, count in tally.kinds.items() if how != "fine")
    assert remote.ran.most_common(1)[0][1] == 1, "no call was made twice"
    spell.tell(injected=net.injected + odd, kinds=len(TOXICS) + len(tally.kinds) - 2, **tally.outcomes)


@within(60)
@pytest.mark.parametrize("how", ["invalid UTF-8", "too deep"])
async def test_an_answer_that_cannot_be_read_is_an_error_at_once_even_where_nobody_gives_up(tmp_path, how):
    entry = {"command": sys.executable, "args": ["-ES", str(HERE / "safety_fault_server.py"), str(tmp_path / "log")]}
    async with before({**entry, "call_timeout_s": 3600}, tmp_path) as (host,):
        with pytest.raises(MCPError, match="the server's answer cannot be read as JSON"):
            await host.request("tools/call", {"name": "echo", "arguments": {"how": how, "nonce": "n"}})
        assert await Tally().call(host, "fine") == "right"


class Written:
    """A host's pipe, as the proxy writes to it."""

    full = False

    def __init__(self):
        self.lines = []

    def listen(self, listener):
        self.listener = listener

    def write(self, data):
        self.lines.append(json.loads(data))


async def test_a_request_that_cannot_be_read_is_answered_so_and_half_a_line_is_noise():
    pipe = Written()
    dispatcher = LineDispatcher(pipe)

    async def answer(*_):
        return {}

    running = asyncio.ensure_future(dispatcher.run(answer, answer))
    await asyncio.sleep(0)
    for line in (
        b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"x":"\xff"}}',
        b'{"jsonrpc":"2.0","id":8,"method":"tools/call","para',
        b'{"method":"tools/call","params":{"x":"\xff"},"jsonrpc":"2.0","id":"a"}',
        b'{"jsonrpc":"2.0","id":9,"method":"ping"}',
    ):
        pipe.listener.heard_line(line)
    for _ in range(3):
        await asyncio.sleep(0)
    pipe.listener.ended()
    await running
    told = {line["id"]: line.get("error", {}).get("code") for line in pipe.lines}
    assert told == {7: -32700, "a": -32700, 9: None}
