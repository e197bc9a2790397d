"""Nobody can tell: whatever a server says arrives through the proxy as it was said, byte for byte after canonicalising.

Host and server are without the SDK, so that nothing is lost on the way to the comparison. The server is wrapped as it
is, which is what the promise is about; with a prefix only the names differ.
"""

import itertools
import json
import os
import sys
from contextlib import asynccontextmanager
from subprocess import DEVNULL, PIPE

import anyio
import golden_server as golden
import httpx2
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from integration_harness import HERE, SERVE, free_port, listening, proxy_listening, stderr_of, within, write_config

pytestmark = pytest.mark.anyio

COMMAND = [sys.executable, str(HERE / "golden_server.py")]
ME = {"name": "golden host", "version": "1"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": golden.MODERN,
    "io.modelcontextprotocol/clientInfo": ME,
    "io.modelcontextprotocol/clientCapabilities": {},
}
MAX_LINE = 64 * 2**20

TRICKY = {"numbers": golden.NUMBERS, "texts": golden.PLAIN_TEXTS, "deep": golden.NESTED, "": None, "e": {}, "l": [[]]}
CALLS = {name: {"name": name, "arguments": {}} for name in (*golden.RESULTS, *golden.ERRORS, "noisy", "large", "nope")}
CALLS |= {
    "echo": {
        "name": "echo",
        "arguments": TRICKY,
        "xParam": {"kept": [1, None]},
        "_meta": {"com.example/q": {"a": [None]}},
    },
    "echo without arguments": {"name": "echo"},
    "echo as a task": {"name": "echo", "arguments": {}, "task": {"ttl": 60_000, "xTask": 1}},
    "echo with trace context": {"name": "echo", "_meta": {"traceparent": "00-0af7-b7ad-01", "tracestate": "a=1"}},
}
REQUESTS = {
    "the first page": ("tools/list", {}),
    "the second page": ("tools/list", {"cursor": str(golden.PAGE)}),
    "the last page": ("tools/list", {"cursor": str(2 * golden.PAGE), "xParam": 1}),
    **{method: (method, {}) for method in ("resources/list", "resources/templates/list", "prompts/list")},
    "resources/read": ("resources/read", {"uri": "ui://view/1"}),
    "prompts/get": ("prompts/get", {"name": "p", "arguments": {"a": "é"}}),
    "completion/complete": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": ""}, "context": {"x": 1}},
    ),
    **{f"tasks/{verb}": (f"tasks/{verb}", {"taskId": "k", "x": 1}) for verb in ("get", "list", "cancel", "result")},
    "vendor/thing": ("vendor/thing", {"x": [None]}),
    "no/such/method": ("no/such/method", {}),
    **{f"call: {name}": ("tools/call", params) for name, params in CALLS.items()},
}
LEGACY_REQUESTS = {
    "resources/subscribe": ("resources/subscribe", {"uri": "odd:1"}),
    "resources/unsubscribe": ("resources/unsubscribe", {"uri": "odd:1"}),
}
# Over HTTP the SDK writes the JSON, with and without a proxy: its strings have no halves of surrogate pairs. In the
# modern era it reads it, too: its errors have a number, a text and data, and nothing else. What does not fit is
# refused, never changed.
REFUSED_OVER_HTTP = {"call: texts", "call: odd error"}
TRIMMED_OVER_HTTP = {"call: null error", "call: wide error"}


def canonical(message):
    """What was said, whatever the order of members and the spelling of characters; integers are exact."""
    return json.dumps({k: v for k, v in message.items() if k not in ("jsonrpc", "id")}, sort_keys=True).encode()


class Host:
    """Asks, and keeps what it is told meanwhile. `send` is how a message goes out and its answers come in."""

    def __init__(self, send, modern):
        self._send = send
        self._modern = modern
        self._ids = itertools.count(1)

    async def ask(self, method, params):
        """The canonical bytes of everything that was said about this request; its answer last."""
        if self._modern:
            params = {**params, "_meta": {**params.get("_meta", {}), **ENVELOPE}}
        if params.get("name") == "noisy":
            params = {**params, "_meta": {**params.get("_meta", {}), "progressToken": "token é"}}
        id = next(self._ids)
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        return [canonical(said) for said in await self._send(message)]

    async def greet(self):
        if self._modern:
            return await self.ask("server/discover", {})
        greeting = await self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": ME})
        await self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return greeting


@asynccontextmanager
async def over_stdio(command, log, modern, **environ):
    with log.open("a") as stderr:
        process = await anyio.open_process(
            command, stdin=PIPE, stdout=PIPE, stderr=stderr, env={**os.environ, **environ}
        )
    async with process:
        stdout = BufferedByteReceiveStream(process.stdout)

        async def send(message):
            await process.stdin.send(json.dumps(message).encode() + b"\n")
            said = []
            while "id" in message:
                said.append(json.loads(await stdout.receive_until(b"\n", MAX_LINE)))
                if said[-1].get("id") == message["id"]:
                    break
            return said

        yield Host(send, modern)
        await process.stdin.aclose()


@asynccontextmanager
async def over_http(url, modern):
    session = {}

    async with httpx2.AsyncClient(timeout=60) as client:

        async def send(message):
            headers = {"accept": "application/json, text/event-stream", **session, **labels(message, modern)}
            response = await client.post(url, json=message, headers=headers)
            if "mcp-session-id" in response.headers:
                session["mcp-session-id"] = response.headers["mcp-session-id"]
                session["mcp-protocol-version"] = "2025-11-25"
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                # Not by lines as Python sees them: some characters that end these are part of the data.
                lines = response.text.replace("\r\n", "\n").split("\n")
                said = [line.removeprefix("data:").strip(" ") for line in lines if line.startswith("data:")]
                return [json.loads(data) for data in said if data]
            return [response.json()] if "id" in message else []

        yield Host(send, modern)


def labels(message, modern):
    """The headers that a modern request over HTTP is routed by."""
    if not modern:
        return {}
    name = message["params"].get("name") or message["params"].get("uri")
    named = {"mcp-name": name} if message["method"] in ("tools/call", "prompts/get", "resources/read") else {}
    return {"mcp-protocol-version": golden.MODERN, "mcp-method": message["method"], **named}


@asynccontextmanager
async def reached(transport, entry, folder, modern):
    """A host of the proxy before the server that `entry` names."""
    state = folder / "state"
    config = write_config(folder, {"g": entry}, prefix=False)
    if transport == "stdio":
        serve = [*SERVE, "--config", str(config)]
        async with over_stdio(serve, stderr_of(state), modern, PASTE_MCP_STATE_DIR=str(state)) as host:
            yield host
    else:
        async with proxy_listening(config, state, "http") as url, over_http(f"{url}/mcp", modern) as host:
            yield host


@asynccontextmanager
async def pair(way, modern, folder):
    """A host directly before the server, and one with the proxy between. `way` is how the proxy is reached, and how
    the server is.
    """
    near, far = way.split(" to ")
    if far == "stdio":
        entry = {"command": COMMAND[0], "args": COMMAND[1:]}
        async with (
            over_stdio(COMMAND, folder / "server.log", modern) as direct,
            reached(near, entry, folder, modern) as proxied,
        ):
            yield direct, proxied
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    async with (
        listening([*COMMAND, str(port)], port, folder / "server.log"),
        over_http(url, modern) as direct,
        reached(near, {"type": "http", "url": url}, folder, modern) as proxied,
    ):
        yield direct, proxied


WAYS = [
    "stdio to stdio, legacy",
    "stdio to stdio, modern",
    "http to http, legacy",
    "http to http, modern",
    pytest.param("stdio to http, modern", marks=pytest.mark.slow),
    pytest.param("http to stdio, legacy", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=WAYS)
async def said(request, tmp_path_factory):
    """(directly, through the proxy) by request."""
    way, era = request.param.split(", ")
    found = {"http": "http" in way, "era": era}
    folder = tmp_path_factory.mktemp("golden")
    with anyio.fail_after(240):
        async with pair(way, era == "modern", folder) as hosts:
            found["greeting"] = [await host.greet() for host in hosts]
            for label, (method, params) in {**REQUESTS, **LEGACY_REQUESTS}.items():
                found[label] = [await host.ask(method, params) for host in hosts]
    return found


async def test_the_server_greets_as_itself(said):
    direct, proxied = said["greeting"]
    assert proxied == direct


@pytest.mark.parametrize("label", REQUESTS)
async def test_an_answer_is_byte_equal(said, label):
    direct, proxied = said[label]
    by_the_sdk = said["http"] and (said["era"] == "modern" or label == "call: texts")
    if by_the_sdk and label in REFUSED_OVER_HTTP:
        assert b'"error": {"code": -32' in proxied[-1]
        return
    if by_the_sdk and label in TRIMMED_OVER_HTTP:
        error, told = (json.loads(message[-1])["error"] for message in (direct, proxied))
        assert told == {key: error[key] for key in ("code", "message", "data") if error[key] is not None}
        return
    same = proxied == direct  # apart from the assertion, which would take minutes to show 20 MB
    assert same, f"direct {str(direct)[:1500]}\nproxied {str(proxied)[:1500]}"


@pytest.mark.parametrize("label", LEGACY_REQUESTS)
async def test_a_legacy_answer_is_byte_equal(said, label):
    if said["era"] == "modern":
        pytest.skip("not in this protocol")
    direct, proxied = said[label]
    assert proxied == direct


async def test_the_large_answer_was_large(said):
    direct, _ = said["call: large"]
    assert len(direct[-1]) > 20_000_000


@within(60)
async def test_notifications_that_nobody_knows_travel_both_ways(tmp_path):
    state = tmp_path / "state"
    config = write_config(tmp_path, {"g": {"command": COMMAND[0], "args": COMMAND[1:]}})
    command = [*SERVE, "--config", str(config)]
    said = []
    environ = {**os.environ, "PASTE_MCP_STATE_DIR": str(state)}
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environ) as process:
        stdout = BufferedByteReceiveStream(process.stdout)
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": ME}
        for message in (
            {"id": 1, "method": "initialize", "params": hello},
            {"id": 2, "method": "tools/list", "params": {}},
            {"method": "notifications/vendor/echo", "params": TRICKY},
        ):
            await process.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            while "id" in message and (not said or said[-1].get("id") != message["id"]):
                said.append(json.loads(await stdout.receive_until(b"\n", MAX_LINE)))
        echoed = json.loads(await stdout.receive_until(b"\n", MAX_LINE))
        assert echoed == {"jsonrpc": "2.0", "method": "notifications/vendor/echoed", "params": TRICKY}
        await process.stdin.aclose()
        await process.wait()
