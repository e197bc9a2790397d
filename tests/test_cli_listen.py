"""A port that is taken is told in one line, before any server is started."""

import socket
import subprocess
import sys


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
