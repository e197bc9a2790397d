"""A server without the SDK that says everything odd that JSON and the protocol allow, over stdio or HTTP.

`golden_server.py` serves stdio; `golden_server.py PORT` serves HTTP at /mcp. What it answers depends on nothing but the
request, so that two of them can be compared.
"""

import base64
import json
import os
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODERN = "2026-07-28"
PAGE = 700
NESTED: Any = None
for _ in range(60):
    NESTED = {"in": [NESTED]}

NUMBERS = {
    "above 64 bits": [2**64, 2**64 - 1, 2**63, -(2**63) - 1, 10**40, -(10**25)],
    "above 53 bits": [2**53 + 1, -(2**53) - 1, 9007199254740993],
    "floats": [0.1, 1e-300, 5e-324, 1.7976931348623157e308, 1e22, 123456789.123456789, 1.0, -0.0, 100.0],
    "small": [0, 1, -1, True, False, None],
}
TEXTS = {
    "lone surrogates": ["\ud800", "\udfff tail", "a\ud83d"],
    "pairs": ["\U0001f600", "\U0010ffff"],
    "separators": "\u2028\u2029\u0085\x0b\x0c",
    "controls": "".join(map(chr, range(0x20))) + "\x7f",
    "direction": "\u202e\u200f\ufeff",
    "combining": "e\u0301 \u00e9",
    "": {"": [""]},
}
PLAIN_TEXTS = {key: value for key, value in TEXTS.items() if key != "lone surrogates"}

SCHEMAS: list[Any] = [
    {"type": "object"},
    {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {
            "tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}
        },
        "$ref": "#/$defs/tree",
        "type": "object",
    },
    {"type": "object", "properties": {"any": True, "none": False, "é\u2028": {"const": 2**64}, "": {}}},
    {
        "type": "object",
        "oneOf": [{"required": ["a"]}, {"not": {}}],
        "if": {},
        "then": {},
        "unevaluatedProperties": False,
    },
    {"type": "object", "properties": {"n": {"type": ["integer", "null"], "minimum": -1e400 if False else -1e300}}},
    {"type": "object", "x-vendor": {"deep": [None, {"k": NESTED}]}, "default": {"a": 1.0}, "examples": [[], {}, ""]},
]
HINTS: list[Any] = [
    {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False, "openWorldHint": False},
    {"readOnlyHint": True, "openWorldHint": False, "title": "", "xHint": None},
    {},
    None,
]


def tool(number: int) -> dict[str, Any]:
    return {
        "name": f"t{number}",
        "title": f"Tool {number} é",
        "description": "d" * (number % 50),
        "inputSchema": SCHEMAS[number % len(SCHEMAS)],
        "outputSchema": SCHEMAS[0],
        "annotations": HINTS[number % 3],
        "execution": {"taskSupport": "optional", "xExecution": 1},
        "icons": [{"src": "data:image/png;base64,AA==", "sizes": ["any"], "theme": "dark", "xIcon": 1}],
        "_meta": {"ui": {"resourceUri": f"ui://view/{number}"}, "com.example/n": number, "nothing": None},
        "xTool": {"kept": [True, None]},
    }


TOOLS = [tool(number) for number in range(3 * PAGE - 1)]
BLOCKS = [
    {"type": "hologram", "payload": [1, None, {"x": 1}], "mimeType": "x/y"},
    {
        "type": "text",
        "text": "plain",
        "annotations": {"audience": ["user", "alien"], "priority": 1, "lastModified": "?"},
    },
    {"type": "text", "text": "", "_meta": {}, "annotations": None, "xBlock": False},
    {"type": "image", "data": base64.b64encode(bytes(range(256)) * 16).decode(), "mimeType": "image/x-odd"},
    {"type": "audio", "data": "", "mimeType": ""},
    {
        "type": "resource",
        "resource": {"uri": "ui://view/1", "blob": "AAEC", "mimeType": "text/html+skybridge", "xR": 1},
    },
    {"type": "resource_link", "uri": "odd:no-slashes", "name": "", "size": 2**60, "xLink": []},
    {"no type": True},
]
RESULTS: dict[str, Any] = {
    "blocks": {"content": BLOCKS, "isError": False, "xResult": {"deep": [[[]]]}, "_meta": {"com.example/r": [None]}},
    "numbers": {"content": [], "structuredContent": NUMBERS},
    "texts": {"content": [{"type": "text", "text": json.dumps(TEXTS)}], "structuredContent": TEXTS},
    "plain texts": {"content": [], "structuredContent": PLAIN_TEXTS},
    "nested": {"content": [], "structuredContent": NESTED},
    "list": {"content": [], "structuredContent": [1, "two", None]},
    "scalar": {"content": [], "structuredContent": 0},
    "null": {"content": [], "structuredContent": None},
    "no content": {"xOnly": 1},
    "empty": {},
    "failed": {"content": [{"type": "text", "text": "no"}], "isError": True, "structuredContent": {"code": 7}},
    "task": {"task": {"taskId": "k", "status": "working", "ttl": None, "pollInterval": 5, "xTask": 1}},
    "many": {"content": [{"type": "text", "text": str(n), "n": n} for n in range(20_000)]},
}
ERRORS: dict[str, Any] = {
    "plain error": {"code": -32603, "message": "m"},
    "custom error": {"code": -1, "message": "é\u2028", "data": {"k": [1, None, {"x": 2**64}]}},
    "positive error": {"code": 42, "message": "", "data": []},
    "text error": {"code": -32000, "message": "m", "data": "just text"},
    "false error": {"code": -32001, "message": "m", "data": False},
    "zero error": {"code": 0, "message": "zero", "data": 0},
    "null error": {"code": -32001, "message": "m", "data": None},
    "wide error": {"code": -32001, "message": "m", "data": 1, "xError": [None]},
    "odd error": {"code": "E1", "message": ["m"]},
    "url error": {"code": -32042, "message": "m", "data": {"elicitations": [{"mode": "url", "url": "https://x/?a=é"}]}},
}
OTHERS: dict[str, Any] = {
    "resources/list": {
        "resources": [{"uri": "ui://view/1", "name": "v", "xR": 1}, {"uri": "odd:1", "name": ""}],
        "x": 1,
    },
    "resources/templates/list": {"resourceTemplates": [{"uriTemplate": "odd://{+path}{?q*}", "name": "t", "xT": {}}]},
    "resources/read": {
        "contents": [
            {
                "uri": "ui://view/1",
                "mimeType": "text/html;profile=mcp-app",
                "text": "<html>\u2028",
                "_meta": {"ui": {"csp": {}}},
            },
            {"uri": "odd:1", "blob": base64.b64encode(os.urandom(0) + bytes(range(256))).decode(), "xC": None},
        ]
    },
    "prompts/list": {
        "prompts": [{"name": "p", "arguments": [{"name": "a", "required": False, "xA": 1}], "_meta": {"k": 1}}]
    },
    "prompts/get": {
        "messages": [{"role": "system", "content": BLOCKS[0]}, {"role": "user", "content": BLOCKS}],
        "xP": 1,
    },
    "completion/complete": {
        "completion": {"values": ["é", ""], "total": 2**40, "hasMore": False, "xV": 1},
        "xOuter": 1,
    },
    "vendor/thing": {"anything": [NUMBERS["floats"], {"goes": None}]},
    "tasks/get": {
        "taskId": "k",
        "status": "working",
        "statusMessage": None,
        "createdAt": "2026-01-01T00:00:00Z",
        "x": 1,
    },
    "tasks/list": {"tasks": [{"taskId": "k", "x": 1}], "nextCursor": "opaque"},
    "tasks/cancel": {"taskId": "k", "status": "cancelled"},
    "tasks/result": {"content": BLOCKS, "_meta": {"io.modelcontextprotocol/related-task": {"taskId": "k"}}},
}
LEGACY_OTHERS: dict[str, Any] = {"resources/subscribe": {}, "resources/unsubscribe": {"xU": 1}, "logging/setLevel": {}}
CACHED = (
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
)
ABOUT: dict[str, Any] = {
    "capabilities": {
        "tools": {"listChanged": True, "xTools": 1},
        "resources": {"listChanged": True, "subscribe": True},
        "prompts": {"listChanged": True},
        "completions": {},
        "experimental": {"com.example/x": {"y": [None]}},
        "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html"]}},
        "xCapability": {"z": 1},
    },
    "instructions": "Be odd. é\u2028",
    "xGreeting": {"kept": True},
}
INFO = {"name": "golden", "title": "é", "version": "1", "websiteUrl": "https://x", "icons": [], "xInfo": 1}


class Refused(Exception):
    """Answered by a JSON-RPC error, which is its argument."""


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    modern = "io.modelcontextprotocol/protocolVersion" in (params.get("_meta") or {})
    result = dict(plain_answer(method, params, modern))
    if modern:
        result = {"resultType": "task" if "task" in result else "complete", **result}
        if method in CACHED:
            result |= {"ttlMs": 5, "cacheScope": "public"}
    return result


def plain_answer(method: str, params: dict[str, Any], modern: bool) -> dict[str, Any]:
    if method == "initialize":
        return {"protocolVersion": "2025-11-25", "serverInfo": INFO, **ABOUT}
    if method == "server/discover" and modern:
        return {"supportedVersions": [MODERN], "_meta": {"io.modelcontextprotocol/serverInfo": INFO}, **ABOUT}
    if method == "tools/list":
        start = int(params.get("cursor", "0"))
        more = {"nextCursor": str(start + PAGE)} if start + PAGE < len(TOOLS) else {}
        return {"tools": TOOLS[start : start + PAGE], "xPage": start, "_meta": {"com.example/page": start}, **more}
    if method == "tools/call":
        return call(params)
    if method in OTHERS:
        return OTHERS[method]
    if method in LEGACY_OTHERS and not modern:
        return LEGACY_OTHERS[method]
    raise Refused({"code": -32601, "message": "Method not found", "data": method})


def call(params: dict[str, Any]) -> dict[str, Any]:
    name, arguments = params["name"], params.get("arguments")
    if name in RESULTS:
        return RESULTS[name]
    if name in ERRORS:
        raise Refused(ERRORS[name])
    if name == "echo":
        meta = {key: value for key, value in (params.get("_meta") or {}).items() if not key.startswith("io.model")}
        meta.pop("progressToken", None)
        return {"content": [], "structuredContent": {**params, "_meta": meta}}
    if name == "large":
        return {"content": [{"type": "text", "text": "-".join(map(str, range(2_700_000))) + "é"}]}
    if name == "noisy":
        return {"content": []}
    raise Refused({"code": -32602, "message": f"Unknown tool: {name}", "data": arguments})


def notices(params: dict[str, Any]) -> list[dict[str, Any]]:
    """What the tool `noisy` tells before it answers."""
    token = (params.get("_meta") or {}).get("progressToken")
    return [
        {"method": "notifications/progress", "params": {"progressToken": token, "progress": 1, "message": "é"}},
        {
            "method": "notifications/progress",
            "params": {"progressToken": token, "progress": 1.5, "total": 2**40, "xP": [1]},
        },
    ]


def respond(request: dict[str, Any]) -> dict[str, Any]:
    try:
        outcome: dict[str, Any] = {"result": answer(request["method"], request.get("params") or {})}
    except Refused as refused:
        outcome = {"error": refused.args[0]}
    return {"jsonrpc": "2.0", "id": request["id"], **outcome}


def told_before(request: dict[str, Any]) -> list[dict[str, Any]]:
    params = request.get("params") or {}
    noisy = request["method"] == "tools/call" and params.get("name") == "noisy"
    return [{"jsonrpc": "2.0", **notice} for notice in notices(params)] if noisy else []


# --- stdio ---


def serve_stdio() -> None:
    writing = threading.Lock()

    def say(message: dict[str, Any]) -> None:
        with writing:
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()

    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            for notice in told_before(message):
                say(notice)
            say(respond(message))
        elif message.get("method") == "notifications/vendor/echo":
            say({"jsonrpc": "2.0", "method": "notifications/vendor/echoed", "params": message.get("params")})


# --- HTTP ---


class Handler(BaseHTTPRequestHandler):
    """Answers a POST by JSON, or by an event stream where there is something to tell before or the name asks for it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "id" not in message or "method" not in message:
            self._send(202, b"", {})
            return
        headers = {"mcp-session-id": uuid.uuid4().hex} if message["method"] == "initialize" else {}
        before = told_before(message)
        if before or (message.get("params") or {}).get("name") in ("many", "blocks"):
            events = [f"event: message\ndata: {json.dumps(m)}\n\n" for m in (*before, respond(message))]
            self._send(200, "".join(events).encode(), {**headers, "content-type": "text/event-stream"})
        else:
            self._send(200, json.dumps(respond(message)).encode(), {**headers, "content-type": "application/json"})

    def do_GET(self) -> None:
        self._send(405, b"", {})

    def do_DELETE(self) -> None:
        self._send(200, b"", {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return None


def main() -> None:
    if len(sys.argv) > 1:
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
    else:
        serve_stdio()


if __name__ == "__main__":
    main()
