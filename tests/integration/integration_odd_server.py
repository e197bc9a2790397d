"""A server without the SDK, in both protocol eras: starts at once, and says what models of the protocol do not expect.

`integration_odd_server.py [LATENCY]`: seconds that each tool call takes.
"""

import json
import os
import sys
import threading
import time
from typing import Any

READ = {"readOnlyHint": True, "openWorldHint": False}
TOOLS: list[dict[str, Any]] = [
    {
        "name": "odd",
        "title": "Odd",
        "description": "é\u2028",
        "inputSchema": {"type": "object", "properties": {"a": {"type": "integer"}}},
        "annotations": {"title": "Odder", "readOnlyHint": False, "idempotentHint": False},
        "_meta": {"com.example/tool": {"deep": [1, None]}},
    },
    {"name": "fail", "inputSchema": {"type": "object"}, "annotations": READ},
    {"name": "refuse", "inputSchema": {"type": "object"}, "annotations": READ},
    {"name": "progress", "inputSchema": {"type": "object"}, "annotations": READ},
    {"name": "unhinted", "inputSchema": {"type": "object"}},
    {"name": "search", "inputSchema": {"type": "object"}, "annotations": READ},
    {"name": "visit", "inputSchema": {"type": "object"}, "annotations": READ},
]
ODD: dict[str, Any] = {
    "content": [
        {"type": "text", "text": "é\u2028\ud83d\ude00", "annotations": {"audience": ["user"], "priority": 0.5}},
        {"type": "image", "data": "AAEC", "mimeType": "image/png", "_meta": {"com.example/block": True}},
        {"type": "resource_link", "uri": "odd://x", "name": "x"},
    ],
    "structuredContent": {"none": None, "big": 2**60, "small": 1e-9, "empty": {}, "list": [[], ""]},
    "_meta": {"com.example/result": {"a": [None]}},
}


class Refused(Exception):
    """Answered by a JSON-RPC error, which is its argument."""


def call(params: dict[str, Any]) -> dict[str, Any]:
    arguments = params.get("arguments") or {}
    if "hang" in arguments:
        threading.Event().wait()
    match params["name"]:
        case "odd":
            return ODD | {"content": [*ODD["content"], {"type": "text", "text": json.dumps(arguments, sort_keys=True)}]}
        case "refuse":
            return {"content": [{"type": "text", "text": "no"}], "structuredContent": {"why": [1]}, "isError": True}
        case "progress":
            token = params["_meta"]["progressToken"]
            say({"method": "notifications/progress", "params": {"progressToken": token, "progress": 1, "total": 2}})
            return {"content": []}
        case "search":
            return told({"results": [{"url": f"odd://{arguments['query']}/{n}"} for n in range(3)]})
        case "visit":
            return told({"url": arguments["url"], "pid": os.getpid(), "text": f"the text of {arguments['url']}"})
        case "fail":
            raise Refused({"code": -32042, "message": "odd failure", "data": {"retry": [1, {"x": None}]}})
    raise Refused({"code": -32602, "message": f"odd server has no {params['name']}"})


def told(structured: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": json.dumps(structured)}], "structuredContent": structured}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    modern = "io.modelcontextprotocol/protocolVersion" in (params.get("_meta") or {})
    cached = {"ttlMs": 0, "cacheScope": "private"} if modern else {}
    kind = {"resultType": "complete"} if modern else {}
    about = {"capabilities": {"tools": {}}, "instructions": "Be odd."}
    info = {"name": "odd", "version": "1"}
    match method:
        case "initialize":
            return {"protocolVersion": params["protocolVersion"], "serverInfo": info, **about}
        case "server/discover":
            meta = {"io.modelcontextprotocol/serverInfo": info}
            return {"supportedVersions": ["2026-07-28"], "_meta": meta, **about, **cached, **kind}
        case "tools/list":
            return {"tools": TOOLS, **cached, **kind}
        case "tools/call":
            return call(params) | kind
        case "ping":
            return {}
    raise Refused({"code": -32601, "message": "Method not found", "data": method})


def say(message: dict[str, Any]) -> None:
    # In one call, so that the lines of two threads do not mix.
    os.write(1, json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


def serve(request: dict[str, Any], latency_s: float) -> None:
    method = request["method"]
    if method == "tools/call":
        time.sleep(latency_s)
    try:
        say({"id": request["id"], "result": answer(method, request.get("params") or {})})
    except Refused as refused:
        say({"id": request["id"], "error": refused.args[0]})


def main() -> None:
    latency_s = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request and "method" in request:
            threading.Thread(target=serve, args=(request, latency_s), daemon=True).start()


main()
