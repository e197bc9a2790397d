"""What only lines can suffer: noise, endless lines, numbers and texts that fast parsers lose."""

import asyncio
import json
from contextlib import suppress

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import MCPError

from paste_mcp.proxy import lines
from paste_mcp.proxy.lines import LineDispatcher
from paste_mcp.proxy.wire import decode, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
ODD = st.recursive(
    st.integers(min_value=2**62, max_value=2**80) | st.text(st.characters(categories=("Cs", "Ll"))),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(JSON | ODD)
def test_values_survive_the_wire_exactly(value):
    there = decode(json.dumps(value).encode())
    assert json.dumps(decode(encode(there)), sort_keys=True) == json.dumps(value, sort_keys=True)


@given(st.binary(max_size=200))
def test_any_line_is_decoded_or_refused(line):
    with suppress(ValueError):
        decode(line)


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Script:
    """A pipe whose other side is a list of lines, and which ends on demand."""

    full = False

    def __init__(self, *said):
        self.said = list(said)
        self.written = []
        self.answered = asyncio.Event()

    def listen(self, listener):
        self.listener = listener
        for line in self.said:
            listener.heard_line(line)

    def end(self):
        self.listener.ended()

    def write(self, data):
        self.written.append(json.loads(data))
        self.answered.set()
        if self.written[-1].get("id") == "end":
            self.end()


async def served(*said, on_request=None):
    script = Script(*said, b'{"jsonrpc":"2.0","id":"end","method":"end"}\n')
    dispatcher = LineDispatcher(script)

    async def answer(context, method, params):
        return {"ok": method}

    async def ignore(*_):
        return None

    with anyio.fail_after(10):
        await dispatcher.run(on_request or answer, ignore)
    return script.written


@pytest.mark.anyio
@pytest.mark.parametrize(
    "noise",
    [
        b"a banner\n",
        b"\n",
        b"[1, 2]\n",
        b'"text"\n',
        b"{}\n",
        b'{"jsonrpc":"2.0","id":{"a":1},"method":"m"}\n',
        b'{"jsonrpc":"2.0","id":true,"result":{}}\n',
        b'{"jsonrpc":"2.0","id":99,"result":{}}\n',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":["a"]}}\n',
        b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{}}}\n',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":[1]}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
)
async def test_noise_is_passed_over(noise):
    assert {"jsonrpc": "2.0", "id": "end", "result": {"ok": "end"}} in await served(noise)


@pytest.mark.anyio
async def test_a_peer_that_makes_nothing_but_noise_is_cut_off():
    with pytest.raises(ConnectionError, match="no JSON-RPC"):
        await served(*[b"noise\n"] * (lines.MAX_NOISE + 1))


@pytest.mark.anyio
async def test_a_request_after_the_end_is_refused():
    script = Script()
    dispatcher = LineDispatcher(script)
    async with anyio.create_task_group() as tasks:
        await tasks.start(dispatcher.run, None, None)
        script.end()
    with pytest.raises(MCPError, match="closed"):
        await dispatcher.send_raw_request("m", {})


@pytest.mark.anyio
async def test_a_failure_inside_says_nothing_of_the_inside(caplog):
    async def fail(context, method, params):
        raise RuntimeError("secret path /x")

    script = Script(b'{"jsonrpc":"2.0","id":1,"method":"m"}\n')

    async def ignore(*_):
        return None

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(LineDispatcher(script).run, fail, ignore)
        with anyio.fail_after(5):
            await script.answered.wait()
        script.end()
    assert script.written == [{"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "Internal error"}}]
