"""JSON-RPC over newline-delimited JSON on byte pipes: the fast way for stdio, on asyncio.

The SDK's `Dispatcher` contract without its streams, worker threads and message models: one task per inbound request,
one future per outbound one. Knows nothing of MCP beyond `notifications/cancelled` and `notifications/progress`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
from anyio.abc import TaskGroup, TaskStatus
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
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, INVALID_PARAMS, REQUEST_TIMEOUT
from pydantic import ValidationError

from paste_mcp.proxy.sdk import MCPError
from paste_mcp.proxy.wire import decode, encode

logger = logging.getLogger("paste_mcp")

MAX_LINE_BYTES = 32 * 1024 * 1024
"""The longest message that is read. A peer that writes more without a line break is cut off."""
MAX_NOISE = 100
"""Lines in a row that are no JSON-RPC before a peer is cut off; a banner or a stray print is forgiven."""
_PIPE = TransportContext(kind="stdio", can_send_request=True)

Message = dict[str, Any]


class Pipe(Protocol):
    """A duplex byte pipe, opened by somebody else."""

    async def read_line(self) -> bytes:
        """The next line with its break; empty at the end. Raises ValueError for one that is too long."""
        ...

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None:
        """Wait while the other side does not keep up."""
        ...


@dataclass(slots=True, eq=False)
class _Pending:
    answer: asyncio.Future[Message]
    on_progress: ProgressFnT | None


@dataclass(slots=True, eq=False)
class LineContext:
    """One inbound message, and the way back to who sent it (the SDK's `DispatchContext`)."""

    lines: LineDispatcher
    request_id: Any = None
    token: Any = None
    transport: TransportContext = _PIPE
    message_metadata: None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)
    closed: bool = False

    @property
    def can_send_request(self) -> bool:
        return not self.closed

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        if not self.closed:
            await self.lines.notify(method, params, opts)

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        if self.closed:
            raise NoBackChannelError(method)
        return await self.lines.send_raw_request(method, params, opts)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        if self.token is not None:
            known = {"total": total, "message": message}
            said = {key: value for key, value in known.items() if value is not None}
            await self.notify("notifications/progress", {"progressToken": self.token, "progress": progress, **said})


class LineDispatcher:
    """Requests and notifications both ways over one pipe. `inline` methods are answered before more is read."""

    def __init__(self, pipe: Pipe, inline: frozenset[str] = frozenset()) -> None:
        self._pipe = pipe
        self._inline = inline
        self._next_id = 0
        self._pending: dict[Any, _Pending] = {}
        self._in_flight: dict[Any, LineContext] = {}
        self._intercept: OnNotifyIntercept | None = None
        self._noise = 0
        self._closed = False

    # --- outbound ---------------------------------------------------------------------------------------------------

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """The peer's raw result. Raises `MCPError`: its error, a time-out, or the end of the connection."""
        if self._closed:
            raise MCPError(CONNECTION_CLOSED, "Connection closed")
        options: CallOptions = opts if opts is not None else {}
        id = options.get("request_id") or self._mint()
        pending = _Pending(asyncio.get_running_loop().create_future(), options.get("on_progress"))
        message: Message = {"jsonrpc": "2.0", "id": id, "method": method}
        if pending.on_progress is not None:
            params = dict(params or {})
            params["_meta"] = {**(params.get("_meta") or {}), "progressToken": id}
        if params:
            message["params"] = params
        self._pending[id] = pending
        try:
            await self._write(message)
            answer = await asyncio.wait_for(pending.answer, options.get("timeout"))
        except TimeoutError:
            await self._abandon(id, options, "timed out")
            raise MCPError(REQUEST_TIMEOUT, f"Request {method!r} timed out") from None
        except asyncio.CancelledError:
            # Written without waiting: this task may not wait any more, and the pipe takes what it is given.
            self._pipe.write(_line(_cancelled(id, "cancelled"))) if self._may_cancel(options) else None
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
        await self._write(message)

    def _mint(self) -> int:
        self._next_id += 1
        return self._next_id

    def _may_cancel(self, options: CallOptions) -> bool:
        return not self._closed and options.get("cancel_on_abandon", True)

    async def _abandon(self, id: Any, options: CallOptions, reason: str) -> None:
        if self._may_cancel(options):
            await self._write(_cancelled(id, reason))

    async def _write(self, message: Message) -> None:
        if not self._closed:
            self._pipe.write(_line(message))
            await self._pipe.drain()

    # --- inbound ----------------------------------------------------------------------------------------------------

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Read until the pipe ends, or the peer is cut off. Then every request that waits is told so."""
        self._intercept = on_notify_intercept
        try:
            async with anyio.create_task_group() as tasks:
                task_status.started()
                while line := await self._read():
                    if (message := self._parse(line)) is not None:
                        await self._dispatch(tasks, message, on_request, on_notify)
                tasks.cancel_scope.cancel()
        finally:
            self._closed = True
            for pending in self._pending.values():
                if not pending.answer.done():
                    pending.answer.set_result({"error": {"code": CONNECTION_CLOSED, "message": "Connection closed"}})

    async def _read(self) -> bytes:
        try:
            return await self._pipe.read_line()
        except ValueError:
            logger.warning("a peer wrote more than %d bytes without a line break: cut off", MAX_LINE_BYTES)
            return b""

    def _parse(self, line: bytes) -> Message | None:
        """The message in `line`; noise is skipped and counted."""
        try:
            message = decode(line)
        except ValueError:
            message = None
        if isinstance(message, dict) and ("method" in message or "id" in message) and _is_id(message.get("id", 0)):
            self._noise = 0
            return message
        if line.strip():
            self._noise += 1
            logger.debug("skipped a line that is no JSON-RPC: %.80r", line)
            if self._noise > MAX_NOISE:
                raise ConnectionError(f"{MAX_NOISE} lines in a row were no JSON-RPC")
        return None

    async def _dispatch(self, tasks: TaskGroup, message: Message, on_request: OnRequest, on_notify: OnNotify) -> None:
        method, params = message.get("method"), message.get("params")
        params = params if isinstance(params, dict) else None
        if not isinstance(method, str):
            self._answered(message)
        elif "id" in message:
            meta = (params or {}).get("_meta")
            token = meta.get("progressToken") if isinstance(meta, dict) else None
            context = self._in_flight[message["id"]] = LineContext(self, message["id"], token)
            if method in self._inline:
                await self._handle(context, method, params, on_request)
            else:
                tasks.start_soon(self._handle, context, method, params, on_request)
        else:
            self._told(tasks, method, params or {})
            if run_notify_intercept(self._intercept, method, params):
                return
            tasks.start_soon(self._hear, on_notify, method, params)

    def _answered(self, message: Message) -> None:
        # Late answers to requests that were given up find nobody, and are dropped.
        id = message["id"]
        pending = self._pending.get(id) or self._pending.get(coerce_request_id(id))
        if pending is not None and not pending.answer.done():
            pending.answer.set_result(message)

    def _told(self, tasks: TaskGroup, method: str, params: Message) -> None:
        if method == "notifications/cancelled":
            id = params.get("requestId")
            if _is_id(id) and (context := self._in_flight.get(id)):
                context.cancel_requested.set()
                context.scope.cancel()
        elif method == "notifications/progress":
            token = params.get("progressToken")
            pending = self._pending.get(token) if _is_id(token) else None
            if pending is not None and pending.on_progress is not None:
                progress, total, said = params.get("progress", 0), params.get("total"), params.get("message")
                tasks.start_soon(_contained, pending.on_progress, progress, total, said)

    async def _hear(self, on_notify: OnNotify, method: str, params: Message | None) -> None:
        await _contained(on_notify, LineContext(self), method, params)

    async def _handle(self, context: LineContext, method: str, params: Message | None, on_request: OnRequest) -> None:
        """Answer one request. A request that its sender cancelled is not answered (MCP, cancellation)."""
        answer: Message | None = None
        with context.scope:
            try:
                answer = {"result": await on_request(context, method, params)}
            except Exception as error:
                answer = {"error": _error_of(error, method)}
        context.closed = True
        if self._in_flight.get(context.request_id) is context:
            del self._in_flight[context.request_id]
        if answer is not None and not context.cancel_requested.is_set():
            await self._write({"jsonrpc": "2.0", "id": context.request_id, **answer})


async def _contained(function: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """A notification's handler must not take the connection down."""
    try:
        await function(*arguments)
    except Exception:
        logger.exception("handling a notification failed")


def _is_id(value: Any) -> bool:
    """Whether this may stand for a request; True would pass for 1."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def _line(message: Message) -> bytes:
    return encode(message) + b"\n"


def _cancelled(id: Any, reason: str) -> Message:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id, "reason": reason}}


def _as_error(error: Any) -> MCPError:
    if not isinstance(error, dict):
        return MCPError(INTERNAL_ERROR, "the server's error is not an object")
    return MCPError(error.get("code", INTERNAL_ERROR), str(error.get("message", "")), error.get("data"))


def _error_of(error: Exception, method: str) -> Message:
    if isinstance(error, MCPError):
        said: Message = {"code": error.code, "message": error.message}
        return said if error.data is None else {**said, "data": error.data}
    if isinstance(error, ValidationError):
        return {"code": INVALID_PARAMS, "message": "Invalid request parameters", "data": ""}
    logger.error("answering %s failed", method, exc_info=error)
    return {"code": INTERNAL_ERROR, "message": "Internal error"}
