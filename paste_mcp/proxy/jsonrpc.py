"""JSON-RPC both ways, whatever carries it: who waits for which answer, and what is being answered. On asyncio.

The SDK's `Dispatcher` contract without its streams, worker threads and message models: one task per inbound request,
one future per outbound one. Knows nothing of MCP beyond `notifications/cancelled` and `notifications/progress`.

Plain tasks and futures of the event loop, not anyio's: its scopes and events cost more than all else here.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import TaskStatus
from mcp.shared.dispatcher import (
    CallOptions,
    OnNotify,
    OnNotifyIntercept,
    OnRequest,
    ProgressFnT,
    coerce_request_id,
    run_notify_intercept,
)
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.transport_context import TransportContext
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, INVALID_PARAMS, PARSE_ERROR, REQUEST_TIMEOUT
from pydantic import ValidationError

from paste_mcp.proxy.sdk import MCPError

logger = logging.getLogger("paste_mcp")

Message = dict[str, Any]

_DUPLEX = TransportContext(kind="jsonrpc", can_send_request=True)


@dataclass(slots=True, eq=False)
class _Pending:
    answer: asyncio.Future[Message]
    on_progress: ProgressFnT | None


@dataclass(slots=True, eq=False)
class Inbound:
    """One message of the peer, and the way back to it (the SDK's `DispatchContext`)."""

    peer: JsonRpc
    request_id: Any = None
    token: Any = None
    transport: TransportContext = _DUPLEX
    message_metadata: None = None
    task: asyncio.Task[None] | None = None
    cancelled: bool = False
    closed: bool = False
    _cancel_requested: anyio.Event | None = None

    @property
    def cancel_requested(self) -> anyio.Event:
        """Made for those who ask: hardly anybody does."""
        if self._cancel_requested is None:
            self._cancel_requested = anyio.Event()
            if self.cancelled:
                self._cancel_requested.set()
        return self._cancel_requested

    def cancel(self) -> None:
        """Its sender wants no answer any more."""
        self.cancelled = True
        if self._cancel_requested is not None:
            self._cancel_requested.set()
        if self.task is not None:
            self.task.cancel()

    def done(self, _: asyncio.Task[None]) -> None:
        """Nothing more is said about it."""
        self.closed = True
        self.peer.forget(self)

    @property
    def can_send_request(self) -> bool:
        return not self.closed

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        if not self.closed:
            await self.peer.notify(method, params, opts)

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        if self.closed:
            raise NoBackChannelError(method)
        return await self.peer.send_raw_request(method, params, opts)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        if self.token is not None:
            known = {"total": total, "message": message}
            said = {key: value for key, value in known.items() if value is not None}
            await self.notify("notifications/progress", {"progressToken": self.token, "progress": progress, **said})


class JsonRpc(ABC):
    """One peer. How messages reach it, and how its own come in, is the carrier's part: it calls `heard` with each."""

    def __init__(self) -> None:
        self._next_id = 0
        self._pending: dict[Any, _Pending] = {}
        self._in_flight: dict[Any, Inbound] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Future[None]
        self._on_request: OnRequest
        self._on_notify: OnNotify
        self._intercept: OnNotifyIntercept | None = None

    # --- the carrier's part -----------------------------------------------------------------------------------------

    @abstractmethod
    def _open(self) -> None:
        """Hand on what the peer says from now on, to `heard`."""

    @abstractmethod
    async def _send(self, message: Message, options: CallOptions) -> None:
        """Send a request, a notification or an answer."""

    @abstractmethod
    def _abandon(self, message: Message, reason: str) -> None:
        """This request's answer is no longer wanted: let the peer know without waiting."""

    # --- outbound ---------------------------------------------------------------------------------------------------

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """The peer's raw result. Raises `MCPError`: its error, a time-out, or the end of the connection."""
        if self._closed:
            raise MCPError(CONNECTION_CLOSED, "Connection closed")
        options: CallOptions = opts if opts is not None else {}
        id = options.get("request_id") or self._mint()
        pending = self._pending[id] = _Pending(asyncio.get_running_loop().create_future(), options.get("on_progress"))
        message: Message = {"jsonrpc": "2.0", "id": id, "method": method}
        if pending.on_progress is not None:
            params = dict(params or {})
            params["_meta"] = {**(params.get("_meta") or {}), "progressToken": id}
        if params:
            message["params"] = params
        try:
            if (timeout_s := options.get("timeout")) is None:
                await self._send(message, options)
                answer = await pending.answer
            else:
                async with asyncio.timeout(timeout_s):
                    await self._send(message, options)
                    answer = await pending.answer
        except TimeoutError:
            self._give_up(message, options, "timed out")
            raise MCPError(REQUEST_TIMEOUT, f"Request {method!r} timed out") from None
        except asyncio.CancelledError:
            self._give_up(message, options, "cancelled")
            raise
        finally:
            del self._pending[id]
        if "error" in answer:
            raise _as_error(answer["error"])
        result = answer.get("result")
        if not isinstance(result, dict):
            raise MCPError(INTERNAL_ERROR, "the server's result is not an object")
        return result

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Tell the peer; nothing is said about whether it hears."""
        message: Message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        if not self._closed:
            await self._send(message, opts if opts is not None else {})

    def _mint(self) -> int:
        self._next_id += 1
        return self._next_id

    def _give_up(self, message: Message, options: CallOptions, reason: str) -> None:
        if not self._closed and options.get("cancel_on_abandon", True):
            self._abandon(message, reason)

    # --- inbound ----------------------------------------------------------------------------------------------------

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Hear the peer until it has gone, or is cut off. Then every request that waits is told so."""
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.create_future()
        self._on_request, self._on_notify, self._intercept = on_request, on_notify, on_notify_intercept
        self._open()
        task_status.started()
        try:
            await self._end
        finally:
            self._closed = True
            for pending in self._pending.values():
                if not pending.answer.done():
                    pending.answer.set_result({"error": {"code": CONNECTION_CLOSED, "message": "Connection closed"}})
            with anyio.CancelScope(shield=True):
                while self._tasks:
                    for task in self._tasks:
                        task.cancel()
                    await asyncio.wait(self._tasks)

    def heard(self, message: Message) -> None:
        """The peer's next message: an object that has a method or the id of a request."""
        method, params = message.get("method"), message.get("params")
        params = params if isinstance(params, dict) else None
        if not isinstance(method, str):
            self._answered(message)
        elif "id" in message:
            self._asked(message["id"], method, params)
        else:
            self._told(method, params or {})
            if not run_notify_intercept(self._intercept, method, params):
                self._start(_contained(self._on_notify, Inbound(self), method, params))

    def misheard(self, id: str | int, is_request: bool) -> None:
        """A request of the peer, or its answer to this one of ours, came but cannot be read."""
        told: Message = {
            "jsonrpc": "2.0",
            "id": id,
            "error": {"code": PARSE_ERROR, "message": "cannot be read as JSON"},
        }
        if is_request:
            self._start(self._send(told, {}))
        else:
            told["error"]["message"] = "the server's answer cannot be read as JSON"
            self._answered(told)

    def _asked(self, id: Any, method: str, params: Message | None) -> asyncio.Task[None]:
        """The peer wants an answer."""
        meta = params.get("_meta") if params is not None else None
        token = meta.get("progressToken") if isinstance(meta, dict) else None
        inbound = self._in_flight[id] = Inbound(self, id, token)
        task = inbound.task = self._start(self._handle(inbound, method, params))
        task.add_done_callback(inbound.done)
        return task

    def forget(self, inbound: Inbound) -> None:
        """It is answered, or given up."""
        if self._in_flight.get(inbound.request_id) is inbound:
            del self._in_flight[inbound.request_id]

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _answered(self, message: Message) -> None:
        # Late answers to requests that were given up find nobody, and are dropped.
        id = message["id"]
        pending = self._pending.get(id) or self._pending.get(coerce_request_id(id))
        if pending is not None and not pending.answer.done():
            pending.answer.set_result(message)

    def _told(self, method: str, params: Message) -> None:
        if method == "notifications/cancelled":
            id = params.get("requestId")
            if is_id(id) and (inbound := self._in_flight.get(id)):
                inbound.cancel()
        elif method == "notifications/progress":
            token = params.get("progressToken")
            pending = self._pending.get(token) if is_id(token) else None
            if pending is not None and pending.on_progress is not None:
                progress, total, said = params.get("progress", 0), params.get("total"), params.get("message")
                self._start(_contained(pending.on_progress, progress, total, said))

    async def _handle(self, inbound: Inbound, method: str, params: Message | None) -> None:
        """Answer one request. A request that its sender cancelled is not answered (MCP, cancellation)."""
        answer: Message = {"jsonrpc": "2.0", "id": inbound.request_id}
        try:
            answer["result"] = await self._on_request(inbound, method, params)
        except Exception as error:
            answer["error"] = error_of(error, method)
        if not inbound.cancelled and not self._closed:
            await self._send(answer, {})


async def _contained(function: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """A notification's handler must not take the connection down."""
    try:
        await function(*arguments)
    except Exception:
        logger.exception("handling a notification failed")


def is_id(value: Any) -> bool:
    """Whether this may stand for a request; True would pass for 1."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def is_message(value: Any) -> bool:
    """Whether this is a request, a notification or an answer."""
    return isinstance(value, dict) and ("method" in value or "id" in value) and is_id(value.get("id", 0))


def cancellation(id: Any, reason: str) -> Message:
    """The notification that request `id` is given up."""
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id, "reason": reason}}


class ToldError(MCPError):
    """An error as the other side told it, kept whole: with members that nobody knows, and in odd types."""

    def __init__(self, said: Message) -> None:
        code = said.get("code")
        super().__init__(
            code if isinstance(code, int) else INTERNAL_ERROR, str(said.get("message", "")), said.get("data")
        )
        self.said = said


def error_of(error: Exception, method: str) -> Message:
    """What a failure to answer `method` is told as. Nothing of the inside is said."""
    if isinstance(error, ToldError):
        return error.said
    if isinstance(error, MCPError):
        said: Message = {"code": error.code, "message": error.message}
        return said if error.data is None else {**said, "data": error.data}
    if isinstance(error, ValidationError):
        return {"code": INVALID_PARAMS, "message": "Invalid request parameters", "data": ""}
    logger.error("answering %s failed", method, exc_info=error)
    return {"code": INTERNAL_ERROR, "message": "Internal error"}


def _as_error(error: Any) -> MCPError:
    if not isinstance(error, dict):
        return MCPError(INTERNAL_ERROR, "the server's error is not an object")
    return ToldError(error)
