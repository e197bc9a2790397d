"""The bench's own host: it greets, lists and calls, and knows how long each answer took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson

from paste_mcp.lab.overhead.wires import Lost, Wire

PROTOCOL_VERSION = "2025-11-25"
"""The latest that everything measured speaks."""
FEWEST_CALLS = 10
"""However long they take, so that there is a median."""


class Host:
    """One host before one server."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._id = 0

    def greet(self) -> None:
        """The handshake."""
        self._wire.ready(1)
        self._request(
            "initialize",
            {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}},
        )
        self._wire.tell(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')

    def list_tools(self) -> int:
        """How many tools there are."""
        return len(self._request("tools/list", {})["tools"])

    def list_for(self, seconds: float, expected: int) -> list[float]:
        """Ask for the tools again and again; how long each answer took."""
        return self._exchange(
            b'{"jsonrpc":"2.0","id":%d,"method":"tools/list","params":{}}',
            lambda result: len(result["tools"]) == expected,
            seconds,
        )

    def warm_up(self, in_flight: int) -> None:
        """Make ready for so many calls at once, and have each way been gone once."""
        self._wire.ready(in_flight)
        self.call_for(0.0, in_flight, "warm", fewest=in_flight)

    def call_for(self, seconds: float, in_flight: int, text: str, fewest: int = FEWEST_CALLS) -> list[float]:
        """Call `echo` with so many calls under way at any time; how long each answer took."""
        call = {"name": "echo", "arguments": {"text": text}}
        template = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":' + orjson.dumps(call) + b"}"
        right: Callable[[Any], bool] = lambda result: result["content"][0]["text"] == text  # noqa: E731
        return self._exchange(template, right, seconds, in_flight, fewest)

    def _exchange(
        self,
        template: bytes,
        right: Callable[[Any], bool],
        seconds: float,
        in_flight: int = 1,
        fewest: int = FEWEST_CALLS,
    ) -> list[float]:
        """Requests until the time is up, though not too few; the seconds that each took. Raises Lost."""
        took: list[float] = []
        sent: dict[int, float] = {}
        wire, clock = self._wire, time.perf_counter
        until, count = clock() + seconds, 0
        while True:
            while len(sent) < in_flight and (count < fewest or clock() < until):
                self._id += 1
                count += 1
                sent[self._id] = clock()
                wire.send(template % self._id)
            if not sent:
                return took
            for body in wire.receive():
                arrived = clock()
                message = orjson.loads(body)
                if "method" in message or (began := sent.pop(message.get("id"), None)) is None:
                    continue  # the server's own
                took.append(arrived - began)
                if "result" not in message or not right(message["result"]):
                    raise Lost(f"a wrong answer: {body[:200]!r}")

    def _request(self, method: str, params: dict[str, Any]) -> Any:
        self._id += 1
        self._wire.send(orjson.dumps({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}))
        while True:
            for body in self._wire.receive():
                message = orjson.loads(body)
                if message.get("id") == self._id:
                    if "result" not in message:
                        raise Lost(f"{method}: {message['error']['message']}")
                    return message["result"]
