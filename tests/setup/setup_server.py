"""A server with tools of every kind that matters to a set-up, quick to start. `--slow S` starts late."""

import json
import sys
import time

TOOLS = {
    "look": {"readOnlyHint": True, "openWorldHint": False},
    "peek": {"readOnlyHint": True},
    "plain": {},
    "wipe": {"readOnlyHint": False},
}
ANSWERS = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "setup", "version": "1"},
    },
    "tools/list": {
        "tools": [
            {"name": name, "inputSchema": {"type": "object"}, "annotations": hints} for name, hints in TOOLS.items()
        ]
    },
}

if "--slow" in sys.argv:
    time.sleep(float(sys.argv[-1]))
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        answer = ANSWERS.get(message["method"])
        end = {"error": {"code": -32601, "message": "no such method"}} if answer is None else {"result": answer}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **end}), flush=True)
