"""A server over pipes without the SDK whose `echo` goes wrong in the way that its arguments name. Each execution is
written to the file that the command line names, so that none can be repeated unnoticed.
"""

import json
import os
import signal
import subprocess
import sys
import time

LOG = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
TOOLS = [{"name": "echo", "inputSchema": {"type": "object"}}]
HELD = []


def write(data):
    while data:
        data = data[os.write(1, data) :]


def line(message):
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


def right(id, nonce):
    return line({"id": id, "result": {"content": [{"type": "text", "text": nonce}]}})


def echo(id, how, nonce):
    answer = right(id, nonce)
    match how:
        case "exit before the answer":
            os._exit(3)
        case "exit in mid-answer":
            write(answer[: len(answer) // 2])
            os._exit(0)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "answer without a line break":
            write(answer[:-1])
            os._exit(0)
        case "stopped for a while":
            subprocess.Popen(
                ["/bin/sh", "-c", f"sleep 0.2; kill -CONT {os.getpid()}"], stdout=2, stdin=subprocess.DEVNULL
            )
            os.kill(os.getpid(), signal.SIGSTOP)
        case "in two parts":
            write(answer[:20])
            time.sleep(0.02)
            return write(answer[20:])
        case "byte by byte":
            for at in range(len(answer)):
                write(answer[at : at + 1])
            return None
        case "invalid UTF-8":
            return write(answer.replace(b'"text": "', b'"text": "\xff\xfe'))
        case "half a pair":
            return write(answer.replace(b'"text": "', b'"extra": "\\ud800", "text": "'))
        case "twice":
            return write(answer + right(id, "a second answer"))
        case "wrong id first":
            return write(right(id + 1000, "for nobody") + right("x", "for nobody") + answer)
        case "no id":
            return write(line({"result": {"content": [{"type": "text", "text": "for nobody"}]}}) + answer)
        case "late":
            time.sleep(0.6)
        case "never":
            return None
        case "reordered":
            HELD.append(answer)
            if len(HELD) < 3:
                return None
            for held in reversed(HELD):
                write(held)
            HELD.clear()
            return None
        case "told to hold no more":
            for held in reversed(HELD):
                write(held)
            HELD.clear()
        case "list_changed storm":
            write(line({"method": "notifications/tools/list_changed"}) * 500)
        case "progress for nobody":
            write(line({"method": "notifications/progress", "params": {"progressToken": 77, "progress": 1}}) * 50)
        case "huge":
            return write(
                line({"id": id, "result": {"content": [{"type": "text", "text": nonce}], "x": "y" * 2_000_000}})
            )
        case "deep":
            return write(answer.replace(b'"content"', b'"deep": ' + b"[" * 1000 + b"]" * 1000 + b', "content"'))
        case "too deep":
            return write(answer.replace(b'"content"', b'"deep": ' + b"[" * 5000 + b"]" * 5000 + b', "content"'))
        case "noise":
            write(b"Listening on port 8080 ...\n\n\r\n{}\n[]\nnull\n{" + b"x" * 1000 + b"\n" + answer[:30] + b"\n")
        case "noise on stderr":
            os.write(2, b"warning: something\n" * 2000)
        case "null as a result":
            return write(line({"id": id, "result": None}))
        case "a list as a result":
            return write(line({"id": id, "result": [nonce]}))
        case "a text as an error":
            return write(line({"id": id, "error": "no"}))
        case "an odd error":
            return write(line({"id": id, "error": {"code": "x", "message": None, "data": [1]}}))
        case "neither":
            return write(line({"id": id}))
        case "pid":
            return write(right(id, str(os.getpid())))
        case "CRLF":
            return write(answer[:-1] + b"\r\n")
        case "asks back":
            write(line({"id": id, "method": "sampling/createMessage", "params": {}}))
        case "huge number":
            return write(answer.replace(b'"content"', b'"n": ' + b"9" * 40 + b', "content"'))
    return write(answer)


def main():
    for text in sys.stdin.buffer:
        message = json.loads(text)
        if "method" not in message or "id" not in message:
            continue
        params = message.get("params") or {}
        match message["method"]:
            case "initialize":
                about = {"capabilities": {"tools": {"listChanged": True}}, "serverInfo": {"name": "f", "version": "1"}}
                write(line({"id": message["id"], "result": {"protocolVersion": "2025-11-25", **about}}))
            case "tools/list":
                write(line({"id": message["id"], "result": {"tools": TOOLS}}))
            case "tools/call":
                arguments = params["arguments"]
                os.write(LOG, arguments["nonce"].encode() + b"\n")
                echo(message["id"], arguments["how"], arguments["nonce"])
            case _:
                write(line({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}}))


main()
