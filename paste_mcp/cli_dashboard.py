"""The verb `dashboard`. What it does is in `web`."""

from __future__ import annotations

import os
import secrets
import sys
from typing import Annotated

import typer

from paste_mcp.told import refuse


def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on, on loopback.")] = 8766,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in your browser.")] = True,
) -> None:
    """A page of your sessions, live: timelines, savings, servers, patterns, audit log. It works beside any proxy."""
    import webbrowser

    import uvicorn

    from paste_mcp.app import listen
    from paste_mcp.store.state import state_folder
    from paste_mcp.web.app import make_app

    token = secrets.token_urlsafe(24)
    try:
        listener = listen("127.0.0.1", port)
    except OSError as error:
        refuse(f"--port {port}: {error.strerror or error}; choose another")
    address = f"http://127.0.0.1:{port}/?token={token}"
    print(f"paste-mcp dashboard: {address}", flush=True)
    if browser and sys.stdout.isatty():
        webbrowser.open(address)
    config = uvicorn.Config(make_app(state_folder(os.environ), token), log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])
