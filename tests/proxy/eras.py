"""Hosts and servers of either protocol era, without the SDK's models, and a proxy in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.memory import create_client_server_memory_streams
from raw_server import raw_host

from paste_mcp.app import build
from paste_mcp.config import parse_config
from paste_mcp.proxy.sdk import Peer

META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
LEGACY = "2025-11-25"
ALL = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}}
ME = {"name": "a host", "version": "3"}

FORM = {"method": "elicitation/create", "params": {"message": "who?", "requestedSchema": {"type": "object"}}}
URL = {"method": "elicitation/create", "params": {"mode": "url", "message": "go", "url": "https://x/", "xMore": [1]}}
SAMPLE = {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 7}}
ROOTS = {"method": "roots/list", "params": {}}
ACCEPT = {"action": "accept", "content": {"name": "bob"}, "xAnswer": [None]}
SAID = {"role": "assistant", "content": {"type": "text", "text": "hm"}, "model": "m"}
AT = {"roots": [{"uri": "file:///home"}]}

Handler = Callable[["Asker", dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass
class Asker:
    """A server whose tool `ask` asks its `questions` all at once and tells what it was answered. `tools` are others."""

    modern: bool
    questions: list[dict[str, Any]] = field(default_factory=list)
    tools: dict[str, Handler] = field(default_factory=dict)
    capabilities: dict[str, Any] = field(default_factory=lambda: {"tools": {}, "logging": {}})
    hints: dict[str, Any] = field(default_factory=dict)
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answered: list[Any] = field(default_factory=list)
    """What the server was answered, in the order of its questions: results, or codes of errors."""
    cancelled: list[str] = field(default_factory=list)
    ended: anyio.Event = field(default_factory=anyio.Event)
    resources: tuple[str, ...] = ()
    streams: dict[Any, dict[str, Any]] = field(default_factory=dict)
    """Open subscriptions of a modern server, by their ids."""
    subscribed: set[str] = field(default_factory=set)
    honours: Callable[[str], bool] = lambda uri: True
    """Of which resources the server tells."""
    starts: int = 0
    _endings: list[anyio.Event] = field(default_factory=list)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Peer]:
        self.starts += 1
        self.subscribed.clear()
        async with create_client_server_memory_streams() as (near, far), anyio.create_task_group() as tasks:
            self.host: JSONRPCDispatcher[Any] = JSONRPCDispatcher(*far)
            await tasks.start(self.host.run, self._on_request, self._on_notify)
            self._far = far
            yield Peer.over(near)
            tasks.cancel_scope.cancel()

    async def die(self) -> None:
        for stream in self._far:
            await stream.aclose()

    def end_streams(self) -> None:
        """End the subscriptions that are open, as a server may at any time."""
        for ending in self._endings:
            ending.set()

    def got(self, method: str) -> list[dict[str, Any]]:
        return [params for name, params in self.received if name == method]

    async def change(self, kind: str, uri: str | None = None) -> None:
        """Tell that a list changed (`tools`, `prompts`, `resources`), or this resource, to those who want to hear."""
        method = f"notifications/{kind}/list_changed" if uri is None else "notifications/resources/updated"
        params = {"xMore": {"k": [None]}} if uri is None else {"uri": uri, "xMore": {"k": [None]}}
        if not self.modern:
            await self.tell(method, params)
        for id, wanted in list(self.streams.items()):
            if wanted.get(f"{kind}ListChanged") if uri is None else uri in wanted.get("resourceSubscriptions", ()):
                await self.tell(method, {**params, "_meta": {f"{META}subscriptionId": id, "x.y/z": 1}})

    async def tell(self, method: str, params: dict[str, Any] | None = None) -> None:
        await self.host.notify(method, params)

    async def _on_notify(self, _: Any, method: str, params: Any) -> None:
        self.received.append((method, dict(params or {})))

    async def _on_request(self, context: Any, method: str, params: Any) -> dict[str, Any]:
        params = dict(params or {})
        self.received.append((method, params))
        try:
            return await self._answer(method, params, context)
        except anyio.get_cancelled_exc_class():
            self.cancelled.append(method)
            raise
        finally:
            if method in ("tools/call", "prompts/get", "resources/read"):
                self.ended.set()

    async def _answer(self, method: str, params: dict[str, Any], context: Any) -> dict[str, Any]:
        greets = "server/discover" if self.modern else "initialize"
        if method == greets and self.modern:
            return {"supportedVersions": [MODERN], "capabilities": self.capabilities, "resultType": "complete"}
        if method == greets:
            about = {"name": "asker", "version": "1"}
            return {"protocolVersion": LEGACY, "capabilities": self.capabilities, "serverInfo": about}
        if method == "tools/list":
            named = [{"name": name, "inputSchema": {"type": "object"}} for name in ("ask", *self.tools)]
            return {"tools": [{**tool, **({"annotations": self.hints} if self.hints else {})} for tool in named]}
        if method == "subscriptions/listen" and self.modern:
            return await self._serve_stream(params["notifications"], context)
        if method == "resources/subscribe" and not self.modern:
            if not self.honours(params["uri"]):
                raise MCPError(-32002, "no such resource")
            self.subscribed.add(params["uri"])
            return {}
        if method == "resources/unsubscribe" and not self.modern:
            self.subscribed.discard(params["uri"])
            return {}
        if method == "logging/setLevel" and not self.modern:
            return {}
        if method == "resources/list":
            return {"resources": [{"uri": uri, "name": uri} for uri in self.resources]}
        if method in ("prompts/get", "resources/read"):
            return await self.ask_all(params)
        if method == "tools/call" and params["name"] == "ask":
            return await self.ask_all(params)
        if method == "tools/call" and params["name"] in self.tools:
            return await self.tools[params["name"]](self, params)
        raise MCPError(-32601, "nope", method)

    async def _serve_stream(self, wanted: dict[str, Any], context: Any) -> dict[str, Any]:
        uris = [uri for uri in wanted.get("resourceSubscriptions", ()) if self.honours(uri)]
        honoured = {key: value for key, value in wanted.items() if key != "resourceSubscriptions"}
        honoured |= {"resourceSubscriptions": uris} if uris else {}
        id = context.request_id
        mark = {f"{META}subscriptionId": id}
        await context.notify("notifications/subscriptions/acknowledged", {"notifications": honoured, "_meta": mark})
        self.streams[id] = honoured
        ending = anyio.Event()
        self._endings.append(ending)
        try:
            await ending.wait()
        finally:
            self._endings.remove(ending)
            del self.streams[id]
        return {"_meta": mark}

    # --- asking -----------------------------------------------------------------------------------------------------

    async def ask_all(self, params: dict[str, Any]) -> dict[str, Any]:
        if not self.modern:
            answers: dict[int, Any] = {}

            async def ask(n: int, question: dict[str, Any]) -> None:
                answers[n] = await self.ask(question)

            async with anyio.create_task_group() as tasks:
                for n, question in enumerate(self.questions):
                    tasks.start_soon(ask, n, question)
            self.answered = [answers[n] for n in range(len(self.questions))]
            return told(self.answered)
        if self.questions and "inputResponses" not in params:
            return required({f"k{n}": question for n, question in enumerate(self.questions)}, "state: ä")
        assert not self.questions or params["requestState"] == "state: ä"
        responses = params.get("inputResponses", {})
        self.answered = [responses[f"k{n}"] for n in range(len(self.questions))]
        return told(self.answered)

    async def ask(self, question: dict[str, Any]) -> Any:
        """As servers did up to 2025-11-25: the host's result, or the code of its error."""
        try:
            return await self.host.send_raw_request(question["method"], question["params"])
        except MCPError as error:
            return error.code


def told(answers: Any) -> dict[str, Any]:
    return {"content": [], "structuredContent": {"answers": answers}, "xResult": {"deep": [None]}}


def required(questions: dict[str, Any], state: str | None = None) -> dict[str, Any]:
    result = {"resultType": "input_required", "inputRequests": questions}
    return result if state is None else {**result, "requestState": state}


class Host:
    """What a host of either era can do: call, and be asked."""

    def __init__(self, modern: bool, capabilities: dict[str, Any]) -> None:
        self.modern = modern
        self.capabilities = capabilities
        self.asked: list[dict[str, Any]] = []
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.news = anyio.Event()
        self.answers: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] = accept
        self.rounds = 0

    async def on_request(self, _: Any, method: str, params: Any) -> dict[str, Any]:
        question = {"method": method, "params": dict(params or {})}
        self.asked.append(question)
        self.news.set()
        if method.partition("/")[0] not in self.capabilities:
            raise MCPError(-32601, "Method not found")
        return await self.answers(question)

    async def on_notify(self, _: Any, method: str, params: Any) -> None:
        self.heard.append((method, dict(params or {})))
        self.news.set()

    async def hears(self, method: str, count: int = 1) -> list[dict[str, Any]]:
        """The params of so many such notifications, as soon as they have come."""
        while len(found := [params for name, params in self.heard if name == method]) < count:
            self.news = anyio.Event()
            await self.news.wait()
        return found

    async def request(self, method: str, params: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
        """One request, whatever comes of it."""
        params = dict(params or {})
        marks = {f"{META}{key}": value for key, value in meta.items()}
        if self.modern:
            marks |= {f"{META}protocolVersion": MODERN, f"{META}clientInfo": ME}
            marks.setdefault(f"{META}clientCapabilities", self.capabilities)
        if marks:
            params["_meta"] = {**params.get("_meta", {}), **marks}
        return await self.dispatcher.send_raw_request(method, params)

    async def call(
        self, tool: str = "ask", params: dict[str, Any] | None = None, method: str = "tools/call"
    ) -> dict[str, Any]:
        """The final result of a call; what is asked on the way is answered by `answers`."""
        params = {"name": tool, "arguments": {}} if params is None else params
        result = await self.request(method, params)
        while result.get("resultType") == "input_required":
            self.rounds += 1
            result = await self.continued(method, params, result)
        return result

    async def continued(self, method: str, params: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        responses = {}
        for key, question in result.get("inputRequests", {}).items():
            self.asked.append(question)
            responses[key] = await self.answers(question)
        state = {"requestState": result["requestState"]} if "requestState" in result else {}
        return await self.request(method, {**params, "inputResponses": responses, **state})


async def accept(question: dict[str, Any]) -> dict[str, Any]:
    return {"elicitation/create": ACCEPT, "sampling/createMessage": SAID, "roots/list": AT}[question["method"]]


@asynccontextmanager
async def bridged(
    state: Any,
    *,
    host: bool,
    capabilities: dict[str, Any] = ALL,
    prefix: bool = False,
    patterns: list[Any] | None = None,
    speculate: bool = True,
    paste: dict[str, Any] | None = None,
    **servers: Any,
) -> AsyncIterator[Host]:
    """A host (modern if `host`) before a proxy before these servers, greeted."""
    entries = {alias: {"command": "none"} for alias in servers}
    paste = {"prefix": prefix, "default_patterns": False, "speculation": "annotated", **(paste or {})}
    config = parse_config({"mcpServers": entries, "paste": paste}, "test", {}, state)
    connects = {alias: server.connect for alias, server in servers.items()}
    proxy = build(config, patterns or [], state, connects)
    found = Host(host, capabilities)
    async with raw_host(proxy, found.on_request, found.on_notify, speculate=speculate) as dispatcher:
        found.dispatcher = dispatcher
        if host:
            await found.request("server/discover")
        else:
            hello = {"protocolVersion": LEGACY, "capabilities": capabilities, "clientInfo": ME}
            await found.request("initialize", hello)
            await dispatcher.notify("notifications/initialized", None)
        await found.request("tools/list")
        yield found
