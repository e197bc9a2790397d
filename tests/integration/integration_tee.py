"""`integration_tee.py LOG COMMAND ARG...`: runs COMMAND and passes its stdin and stdout through.

Each line that passes is a line of JSON in LOG, written before it is passed on.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from typing import IO, Any


def note(log: int, **line: Any) -> None:
    os.write(log, json.dumps(line).encode() + b"\n")


def pass_on(source: IO[bytes], sink: IO[bytes], log: int, way: str) -> None:
    try:
        for line in iter(source.readline, b""):
            note(log, **{way: json.loads(line)})
            sink.write(line)
            sink.flush()
    except OSError:
        pass  # the other side is gone
    finally:
        with contextlib.suppress(OSError):
            sink.close()


def main() -> None:
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    server = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    note(log, pid=server.pid)
    assert server.stdin is not None and server.stdout is not None
    inward = (sys.stdin.buffer, server.stdin, log, "to_server")
    threading.Thread(target=pass_on, args=inward, daemon=True).start()
    pass_on(server.stdout, sys.stdout.buffer, log, "from_server")
    code = server.wait()
    # At once: the other thread may still be waiting for a line.
    os._exit(code if code >= 0 else 128 - code)


main()
