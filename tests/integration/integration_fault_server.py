"""A server without the SDK that misbehaves when its tool `misbehave` is called: `how` it does stands in the arguments.

Each fault begins after the call was answered, and lasts until the process ends.
"""

import json
import os
import signal
import sys
import threading
import time
from typing import Any

TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "misbehave")]
CHANGED = b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n'


def write(data: bytes) -> None:
    try:
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:
        os._exit(0)  # Nobody reads any more, and nothing is to be said of it where the proxy's own words are looked at.


def say(message: dict[str, Any]) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


# --- faults ---


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    os._exit(0)


def hang() -> None:
    """Neither reads nor answers, nor ends when it is asked to."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, signal.SIG_IGN)
    HUNG.set()


def garbage() -> None:
    """A line of noise every millisecond, with a message between now and then."""
    for number in range(10**9):
        write(b'{"half": \xff\x00 garbage\n' if number % 50 else CHANGED)
        time.sleep(0.001)


def only_garbage() -> None:
    while True:
        write(b"Listening on port 8080 ...\n")


def slow_loris() -> None:
    """Half a message, then a byte of it now and then, and never its end."""
    write(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"')
    while True:
        write(b"x")
        time.sleep(0.001)


def endless_line() -> None:
    """Half a message, then as much of it as the pipe takes, and never its end."""
    write(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"')
    while True:
        write(b"x" * 65536)


def list_changed() -> None:
    """A thousand times a second."""
    began, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * 1000)
        write(CHANGED * max(0, due - sent))
        sent = max(sent, due)
        time.sleep(0.001)


def stderr_flood() -> None:
    while True:
        os.write(2, b"warning: something\n" * 50)
        time.sleep(0.005)


HUNG = threading.Event()
FAULTS = {
    fault.__name__: fault
    for fault in (die, leave, hang, garbage, only_garbage, slow_loris, endless_line, list_changed, stderr_flood)
}


# --- the server ---


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    match method:
        case "initialize":
            about = {"capabilities": {"tools": {"listChanged": True}}, "serverInfo": {"name": "faulty", "version": "1"}}
            return {"protocolVersion": "2025-11-25", **about}
        case "tools/list":
            return {"tools": TOOLS}
        case "tools/call":
            return {"content": [{"type": "text", "text": str(os.getpid())}]}
        case "ping":
            return {}
    return None


def main() -> None:
    for line in sys.stdin:
        if HUNG.is_set():
            threading.Event().wait()
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        params = message.get("params") or {}
        result = answer(message["method"], params)
        if result is None:
            say({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
            continue
        say({"id": message["id"], "result": result})
        if message["method"] == "tools/call" and params["name"] == "misbehave":
            fault = FAULTS[params["arguments"]["how"]]
            if fault is hang:
                hang()
            else:
                threading.Thread(target=fault, daemon=True).start()
    if HUNG.is_set():
        threading.Event().wait()


main()
