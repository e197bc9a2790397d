"""The routes of the dashboard. Reads come from the state folder; what is written there, proxies read again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from paste_mcp.curate.changes import CannotError, disable, enable
from paste_mcp.lab.report.timeline import timeline
from paste_mcp.store.dial import read_eagerness, write_eagerness
from paste_mcp.store.pattern_files import PatternFileError
from paste_mcp.web.guard import Guard
from paste_mcp.web.views import Views

STATIC: Final = Path(__file__).with_name("static")
LOOK_S: Final = 1.0
"""How often the state folder is looked at for a page that is open."""
MOST_BYTES: Final = 10_000
"""Of what a page may send."""


def make_app(state: Path, token: str) -> ASGIApp:
    """The dashboard of one state folder; `token` is what its pages must show."""
    dashboard = _Dashboard(Views(state))
    routes = [
        Route("/", dashboard.page),
        Route("/api/overview", dashboard.overview),
        Route("/api/session/{id}", dashboard.session),
        Route("/api/patterns", dashboard.patterns),
        Route("/api/patterns", dashboard.turn, methods=["POST"]),
        Route("/api/dial", dashboard.dial, methods=["POST"]),
        Route("/api/audit", dashboard.audit),
        Route("/api/events", dashboard.events),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Guard(Starlette(routes=routes), token)


class _Dashboard:
    def __init__(self, views: Views) -> None:
        self._views = views
        self._one_at_a_time = anyio.Lock()

    async def page(self, request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def overview(self, request: Request) -> Response:
        days = request.query_params.get("days", "30")
        wanted = min(3650, int(days)) if days.isdecimal() else 30
        return JSONResponse(await self._made(lambda: self._views.overview(wanted)))

    async def session(self, request: Request) -> Response:
        session = await self._made(lambda: self._views.session(request.path_params["id"]))
        if session is None:
            return JSONResponse({"error": "there is no such session"}, 404)
        return Response(timeline(session), media_type="image/svg+xml")

    async def patterns(self, request: Request) -> Response:
        return await self._told(lambda: {"patterns": self._views.patterns()})

    async def turn(self, request: Request) -> Response:
        """Turn a pattern on or off, in the user's own file."""
        data = await _sent(request)
        name, enabled = data.get("name"), data.get("enabled")
        if not isinstance(name, str) or not isinstance(enabled, bool):
            return JSONResponse({"error": "name and enabled are expected"}, 400)
        change = enable if enabled else disable
        return await self._told(lambda: {"said": change(self._views.collection(), name)})

    async def dial(self, request: Request) -> Response:
        """Set how eager proxies are."""
        eagerness = (await _sent(request)).get("eagerness")
        if isinstance(eagerness, bool) or not isinstance(eagerness, int | float):
            return JSONResponse({"error": "eagerness, a number, is expected"}, 400)

        def write() -> dict[str, Any]:
            write_eagerness(self._views.state, float(eagerness))
            return {"eagerness": read_eagerness(self._views.state)}

        return await self._told(write)

    async def audit(self, request: Request) -> Response:
        words, kind = request.query_params.get("q", "").split(), request.query_params.get("kind", "")
        return JSONResponse({"lines": await self._made(lambda: self._views.audit(words, kind))})

    async def events(self, request: Request) -> Response:
        """Says whenever something has happened (server-sent events)."""
        return StreamingResponse(self._changes(), media_type="text/event-stream")

    async def _changes(self) -> AsyncIterator[str]:
        seen, silent_s = None, 0.0
        while True:
            mark = await to_thread.run_sync(self._views.store.mark)
            silent_s += LOOK_S
            if mark != seen:
                yield "event: changed\ndata: {}\n\n"
                seen, silent_s = mark, 0.0
            elif silent_s > 15:
                yield ": still here\n\n"
                silent_s = 0.0
            await anyio.sleep(LOOK_S)

    async def _made(self, make: Callable[[], Any]) -> Any:
        async with self._one_at_a_time:
            return await to_thread.run_sync(make)

    async def _told(self, make: Callable[[], dict[str, Any]]) -> Response:
        try:
            return JSONResponse(await self._made(make))
        except (CannotError, PatternFileError) as error:
            return JSONResponse({"error": str(error)}, 409)


async def _sent(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            return {}
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
