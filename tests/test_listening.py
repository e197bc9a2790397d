"""Where the proxy listens: a port that is taken, and standard streams that are no pipes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path


def test_a_taken_port_is_told_in_one_line(tmp_path):
    config = tmp_path / "servers.json"
    config.write_text('{"mcpServers": {"a": {"command": "never-started"}}}')
    config.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = subprocess.run(
            [sys.executable, "-m", "paste_mcp", "serve", "-c", str(config), "--transport", "http", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (run.returncode, run.stdout) == (2, "")
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"paste-mcp: --port {port}: ")
    assert line.endswith("; choose another")


def test_a_file_for_stdin_or_stdout_is_served_like_a_pipe(tmp_path):
    root = Path(__file__).parent.parent
    config = tmp_path / "servers.json"
    server = {"command": sys.executable, "args": [str(root / "servers" / "workspace"), str(tmp_path)]}
    config.write_text(json.dumps({"mcpServers": {"w": server}}))
    config.chmod(0o600)
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    said = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    asked, answered = tmp_path / "asked", tmp_path / "answered"
    asked.write_text(json.dumps(said) + "\n")
    with asked.open() as stdin, answered.open("w") as stdout:
        run = subprocess.run(
            [sys.executable, "-m", "paste_mcp", "serve", "-c", str(config)],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env={**os.environ, "PASTE_MCP_STATE_DIR": str(tmp_path / "state")},
            check=False,
        )
    assert run.returncode == 0
    assert "Traceback" not in run.stderr
    (answer,) = map(json.loads, answered.read_text().splitlines())
    assert answer["result"]["protocolVersion"] == "2025-11-25"
