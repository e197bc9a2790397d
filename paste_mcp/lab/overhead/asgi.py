"""The little of ASGI that the bench's own programs need: a request's body, a response, a listener."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import uvicorn

Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
App: TypeAlias = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]
Answer: TypeAlias = Callable[[bytes], Awaitable[bytes | None]]


def json_posts(answer: Answer) -> App:
    """Streamable HTTP without sessions and streams: each POST is answered in JSON, a notification with nothing."""

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            return await _respond(send, 405, b"")
        answered = await answer(await _body(receive))
        return await _respond(send, 202 if answered is None else 200, answered or b"")

    return app


async def serve(app: Any, port: int) -> None:
    """Serve an ASGI application on this machine until the process is asked to stop."""
    await uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", access_log=False)).serve()


async def _body(receive: Receive) -> bytes:
    read = b""
    while (event := await receive())["type"] == "http.request":
        read += event["body"]
        if not event["more_body"]:
            break
    return read


async def _respond(send: Send, status: int, content: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
