"""Every command that the README and the examples tell people to run: those that need no network really run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from paste_mcp.cli import app

ROOT = Path(__file__).parent.parent
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "examples/README.md")}
SERVER = {"command": sys.executable, "args": [str(ROOT / "tests" / "setup" / "setup_server.py")]}
INSTALLING = re.compile(r"^(?:python3 -m venv \S+ && )?\S*(?:pip install|uvx|uv run)\b")


def commands(text):
    """The lines of the text's shell blocks, and what `paste-mcp` is called with within sentences."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


ALL = [(name, line) for name, text in TEXTS.items() for line in commands(text)]
OURS = [line for _, line in ALL if line.startswith("paste-mcp ")]
OTHERS = [line for _, line in ALL if not line.startswith("paste-mcp ")]
WITHIN = sorted(
    {" ".join(found.split()) for text in TEXTS.values() for found in re.findall(r"`(paste-mcp [a-z][^`]*)`", text)}
)
RUN_HERE = ("connect", "disconnect", "init", "check", "doctor", "patterns", "report")
"""Verbs that end by themselves and need nothing but files."""


def parse(arguments):
    """Have the command line read the arguments, and go no further."""
    command = get_command(app)
    while hasattr(command, "commands"):
        assert arguments, f"{command.name} needs a verb"
        command, arguments = command.commands[arguments[0]], arguments[1:]
    command.make_context(command.name, list(arguments))


@pytest.mark.parametrize("line", [*OURS, *WITHIN])
def test_the_command_line_understands(line):
    words = shlex.split(line)[1:]
    if words[-1:] == ["FILE"] or "FILE" in words or len(words) > 1:
        parse(words)
    else:
        assert words[0] in get_command(app).commands


def test_the_other_commands_are_installations_or_examples():
    for line in OTHERS:
        assert INSTALLING.match(line) or line.startswith("python examples/"), line
        for name in re.findall(r"examples/\S+\.py", line):
            assert (ROOT / name).exists()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Somebody who has Claude Code with one server, the examples' set-ups at hand, and nothing else."""
    for name in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "PASTE_MCP_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PASTE_MCP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("paste_mcp.cli_connect.on_terminal", lambda: True)
    monkeypatch.setattr("paste_mcp.cli_setup.on_terminal", lambda: True)
    (tmp_path / ".claude.json").write_text(json.dumps({"mcpServers": {"one": SERVER}}, indent=2))
    # The set-up is the example's, its servers are one that is on this machine.
    (tmp_path / "coding.json").write_text(json.dumps({"mcpServers": {"one": SERVER}}))
    (tmp_path / "coding.json").chmod(0o600)
    return tmp_path


def run(line):
    arguments = [
        word.replace("~", os.environ["HOME"], 1) if word.startswith("~") else word for word in shlex.split(line)
    ]
    result = CliRunner().invoke(app, arguments[1:], input="y\ny\n\n\n", env=dict(os.environ))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize("name", TEXTS)
def test_what_can_run_runs_in_the_order_of_the_text(name, home):
    before = (home / ".claude.json").read_bytes()
    lines = [line for line in commands(TEXTS[name]) if line.startswith("paste-mcp ")]
    here = [line for line in lines if line.split()[1] in RUN_HERE]
    # The way back is told beside the way there; taken last, it shows that all of it leads back.
    here.sort(key=lambda line: line.split()[1] == "disconnect")
    assert here
    for line in here:
        result = run(line)
        assert result.exit_code == 0, (line, result.output)
    assert (home / ".claude.json").read_bytes() == before


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_a_new_user_is_there_and_back_in_processes_of_their_own(home):
    """The README's two commands as a user types them, and the proxy that his client would start."""
    script = Path(sys.executable).with_name("paste-mcp")
    before = (home / ".claude.json").read_bytes()
    subprocess.run([script, "connect", "claude-code", "--yes"], check=True, capture_output=True)
    entry = json.loads((home / ".claude.json").read_text())["mcpServers"]["paste"]
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }
    host = subprocess.run(
        [entry["command"], *entry["args"]],
        check=True,
        input=json.dumps(hello) + "\n",
        text=True,
        capture_output=True,
        timeout=30,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "PASTE_MCP_STATE_DIR": str(home / "state")},
    )
    assert json.loads(host.stdout.splitlines()[0])["result"]["serverInfo"]["name"] == "paste-mcp"
    subprocess.run([script, "disconnect", "claude-code", "--yes"], check=True, capture_output=True)
    assert (home / ".claude.json").read_bytes() == before
    assert not (home / ".config" / "paste-mcp").exists()
