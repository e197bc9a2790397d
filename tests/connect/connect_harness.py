"""A home folder with clients' files in it, and the command line on it."""

import json
import os
from pathlib import Path

from typer.testing import CliRunner

from paste_mcp.cli import app

GIT = {"command": "uvx", "args": ["mcp-server-git"]}
SECRET = "ghp_abcdefghijklmnopqrstuvwxyz123456"


class Home:
    """`HOME` for one test; what is written there is all that the verbs see."""

    def __init__(self, path: Path, monkeypatch) -> None:
        self.path = path
        self.config = path / ".config" / "paste-mcp"
        monkeypatch.setenv("HOME", str(path))
        monkeypatch.setenv("COLUMNS", "200")
        for name in ("XDG_CONFIG_HOME", "APPDATA", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "PASTE_MCP_CONFIG_DIR"):
            monkeypatch.delenv(name, raising=False)

    def write(self, name: str, content: str | dict) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((content if isinstance(content, str) else json.dumps(content, indent=2)).encode())
        return path

    def run(self, *args: str, code: int = 0, say: str = "") -> str:
        """Everything that the command printed."""
        result = CliRunner().invoke(app, list(args), input=say, env=dict(os.environ))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    def json(self, *args: str) -> dict:
        return json.loads(self.run(*args, "--json").splitlines()[-1])
