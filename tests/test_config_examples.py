"""The files in `examples/` are what they say: clients' files that start paste-mcp, and a config that it runs."""

import json
import shutil
from pathlib import Path

import pytest

from paste_mcp.config import load_config, parse_config
from paste_mcp.core.speculation.settings import ServerPolicy
from paste_mcp.store.pattern_files import load_patterns

EXAMPLES = Path(__file__).parent.parent / "examples"
ENVIRON = {"HOME": "/home/ada"}
CLIENTS = {
    "claude_desktop_config.json": ("mcpServers", {"command", "args"}),
    "claude_code.mcp.json": ("mcpServers", {"type", "command", "args", "env"}),
    "cursor.mcp.json": ("mcpServers", {"command", "args"}),
    "vscode.mcp.json": ("servers", {"type", "command", "args"}),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_clients_file_starts_paste_mcp_in_that_clients_shape(name: str) -> None:
    top, keys = CLIENTS[name]
    data = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))
    assert set(data) == {top}
    assert set(data[top]) == {"paste"}
    assert set(data[top]["paste"]) == keys
    assert data[top]["paste"].get("type", "stdio") == "stdio"
    config = parse_config(data, name, ENVIRON, EXAMPLES)
    assert config.warnings == []
    assert config.servers["paste"].command == "uvx"
    *start, file = config.servers["paste"].args
    assert start == ["paste-mcp", "serve", "--config"]
    assert Path(file).is_absolute()
    assert file.endswith("/.config/paste-mcp/servers.json")


def test_claude_desktop_gets_no_placeholders_as_it_fills_in_none() -> None:
    assert "${" not in (EXAMPLES / "claude_desktop_config.json").read_text(encoding="utf-8")


def test_the_servers_of_the_example_run_ahead(tmp_path: Path) -> None:
    file = tmp_path / "servers.json"  # a copy, as the mode of a checkout's files is not ours
    shutil.copyfile(EXAMPLES / "servers.json", file)
    file.chmod(0o600)
    config = load_config(file, ENVIRON)
    assert config.warnings == []
    assert list(config.servers) == ["filesystem", "git", "time"]
    assert config.policy("git") == config.policy("time") == ServerPolicy("annotated")
    assert config.policy("filesystem") == ServerPolicy("annotated", closed_world=True)


SETUPS = {
    "deep-research.json": {"web": "listed"},
    "coding.json": {"files": "annotated", "git": "annotated"},
    "database.json": {"db": "listed"},
    "remote.json": {"tickets": "annotated", "wiki": "shadow"},
    "team.json": {"time": "annotated", "git": "annotated"},
}


@pytest.mark.parametrize("name", SETUPS)
def test_a_whole_setup_is_a_configuration_without_a_warning(name: str, tmp_path: Path) -> None:
    for file in EXAMPLES.glob("*"):
        if file.is_file():
            shutil.copyfile(file, tmp_path / file.name)
    (tmp_path / name).chmod(0o600)
    tokens = {f"PASTE_TOKEN_{who}": f"{who}-0123456789-0123456789-abcdef" for who in ("ALICE", "BOB")}
    config = load_config(tmp_path / name, ENVIRON | tokens)
    assert config.warnings == []
    assert {alias: config.policy(alias).mode for alias in config.servers} == SETUPS[name]
    for patterns in config.paste.patterns:
        assert load_patterns(patterns, users_own=True)


def test_every_example_is_described() -> None:
    text = "".join((folder / "README.md").read_text(encoding="utf-8") for folder in (EXAMPLES, EXAMPLES.parent))
    for file in EXAMPLES.glob("*"):
        assert not file.is_file() or file.name == "README.md" or file.name in text, file
