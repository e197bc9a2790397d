"""The process on stdio, driven by hand: what it writes to stdout, and how it ends."""

import json
import os
import signal
from contextlib import asynccontextmanager
from subprocess import PIPE

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from integration_harness import SERVE, Tee, alive, odd_server, records, stderr_of, until, within, write_config

pytestmark = pytest.mark.anyio

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}


class Raw:
    """A host without the SDK. `said` is everything the proxy wrote, line by line."""

    def __init__(self, process):
        self.process = process
        self.said = []
        self._stdout = BufferedByteReceiveStream(process.stdout)

    async def write(self, line):
        await self.process.stdin.send(line.encode() + b"\n")

    async def send(self, method, params=None, **rest):
        await self.write(json.dumps({"jsonrpc": "2.0", "method": method, "params": params or {}, **rest}))

    async def answer(self, id):
        """The answer to this request, when it comes."""
        while True:
            line = json.loads(await self._stdout.receive_until(b"\n", 2**20))
            self.said.append(line)
            if line.get("id") == id and "method" not in line:
                return line

    async def rest(self):
        """Read to the end of stdout."""
        with pytest.raises((anyio.EndOfStream, anyio.IncompleteRead)):
            await self.answer(object())
        assert self._stdout.buffer == b"", "the last line has no end"

    async def greet(self):
        await self.send("initialize", HELLO, id=1)
        await self.answer(1)
        await self.send("notifications/initialized")


@asynccontextmanager
async def started(folder):
    tee, state = Tee(folder / "tee"), folder / "state"
    servers = {alias: {**tee.around(odd_server(0.5)), "speculation": "annotated"} for alias in ("odd", "odder")}
    command = [*SERVE, "--verbose", "--config", str(write_config(folder, servers))]
    environ = {**os.environ, "PASTE_MCP_STATE_DIR": str(state)}
    with stderr_of(state).open("w") as stderr:
        process = await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=stderr, env=environ)
    try:
        yield Raw(process), tee, state
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()


async def ended_well(raw, tee, state):
    await raw.rest()
    assert await raw.process.wait() == 0
    assert len(tee.pids) == 2
    await until(lambda: not any(alive(pid) for pid in tee.pids))
    assert "Traceback" not in stderr_of(state).read_text()
    assert all(line["jsonrpc"] == "2.0" for line in raw.said)


async def begin_a_guess(raw, tee):
    await raw.greet()
    await raw.send("tools/call", {"name": "odd__search", "arguments": {"query": "x"}}, id=2)
    await raw.answer(2)
    await tee.was_sent("visit")


@within(60)
async def test_stdout_carries_the_protocol_only_whatever_comes_in_and_at_its_end_the_process_ends(tmp_path):
    async with started(tmp_path) as (raw, tee, state):
        await raw.greet()
        await raw.send("tools/list", id=2)
        assert len((await raw.answer(2))["result"]["tools"]) == 14
        for garbage in (
            "this is not JSON",
            "[]",
            '"text"',
            '{"jsonrpc": "2.0"}',
            "\ud83d".encode("utf-8", "replace").decode(),
        ):
            await raw.write(garbage)
        await raw.send("no/such/method", id=3)
        assert (await raw.answer(3))["error"]["code"] == -32601
        await raw.send("tools/list", id="still here")
        assert len((await raw.answer("still here"))["result"]["tools"]) == 14
        await raw.process.stdin.aclose()
        await ended_well(raw, tee, state)
    assert not list(state.rglob("*.jsonl")), "a session without a call leaves no record"


@within(60)
async def test_a_host_that_leaves_while_guesses_run_is_not_waited_for(tmp_path):
    async with started(tmp_path) as (raw, tee, state):
        await begin_a_guess(raw, tee)
        await raw.process.stdin.aclose()
        await ended_well(raw, tee, state)
    ((*_, end),) = records(state)
    assert end["summary"]["issued"] == end["summary"]["unused"] > 0


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@within(60)
async def test_asked_to_stop_it_ends_with_its_servers_while_the_host_is_still_there(tmp_path, sign):
    async with started(tmp_path) as (raw, tee, state):
        await begin_a_guess(raw, tee)
        raw.process.send_signal(sign)
        await ended_well(raw, tee, state)
    ((*_, end),) = records(state)
    assert end["summary"]["issued"] == end["summary"]["unused"] > 0


@within(60)
async def test_a_host_that_is_gone_for_good_leaves_nothing_behind(tmp_path):
    async with started(tmp_path) as (raw, tee, state):
        await begin_a_guess(raw, tee)
        # Both pipes at once, as when the host is killed.
        await raw.process.stdin.aclose()
        await raw.process.stdout.aclose()
        await raw.process.wait()
        await until(lambda: not any(alive(pid) for pid in tee.pids))
    assert "Traceback" not in stderr_of(state).read_text()
