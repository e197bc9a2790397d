"""Subjects under way: started, greeted, and ready to be called."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paste_mcp.lab.overhead.host import Host
from paste_mcp.lab.overhead.processes import Process
from paste_mcp.lab.overhead.subjects import Command, Setting
from paste_mcp.lab.overhead.wires import Http, Lines, Lost, Wire

START_S = 60.0


class OverheadError(Exception):
    """The measurement cannot be made; one line says why."""


@dataclass(frozen=True, slots=True)
class Running:
    """One subject, with a host before it."""

    name: str
    process: Process
    host: Host
    start_s: float
    """Until its first list of tools was there."""


@contextmanager
def running(name: str, command: Command, setting: Setting) -> Iterator[Running]:
    """Start the subject; its end is the end of the context. Raises OverheadError, also for what fails inside."""
    began = time.perf_counter()
    process = Process(command(setting), environment(setting.folder), piped=setting.port is None)
    wire: Wire | None = None
    try:
        wire = _wire(process, setting.port)
        host = Host(wire)
        host.greet()
        host.list_tools()
        yield Running(name, process, host, time.perf_counter() - began)
    except (Lost, OSError) as error:
        said = process.last_words()
        raise OverheadError(f"{name}: {error}{f' ({said})' if said else ''}") from error
    finally:
        if wire is not None:
            wire.close()
        process.close()


@contextmanager
def listening_server(command: tuple[str, ...], folder: Path) -> Iterator[str]:
    """An echo server on HTTP; gives its URL."""
    port = free_port()
    process = Process([*command, "--http", str(port)], environment(folder), piped=False)
    try:
        _await_port(process, port)
        yield f"http://127.0.0.1:{port}/mcp"
    except Lost as error:
        raise OverheadError(f"the echo server: {error} ({process.last_words()})") from error
    finally:
        process.close()


def environment(folder: Path) -> dict[str, str]:
    """Ours, but records go to `folder`, and byte code is kept: a start that compiles everything is nobody's start."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PASTE_MCP_STATE_DIR": str(state_folder(folder))}


def state_folder(folder: Path) -> Path:
    """Where our proxies keep their records."""
    return folder / "state"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wire(process: Process, port: int | None) -> Wire:
    if port is None:
        return Lines(process.stdin, process.stdout)
    _await_port(process, port)
    return Http(port)


def _await_port(process: Process, port: int) -> None:
    until = time.perf_counter() + START_S
    while time.perf_counter() < until:
        if process.ended:
            raise Lost("it ended")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.005)
        else:
            return
    raise Lost(f"it did not listen within {START_S:g} s")
