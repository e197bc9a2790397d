"""Each thing that can be wrong is found, with what mends it; and nothing is found where nothing is wrong."""

import json
import sys
from pathlib import Path

import pytest
from connect_harness import GIT

SERVER = {"command": sys.executable, "args": [str(Path(__file__).with_name("setup_server.py"))]}


@pytest.fixture
def connected(home):
    """A home whose Claude Code runs one real server behind the proxy."""
    home.write(".claude.json", {"mcpServers": {"one": SERVER}})
    home.run("connect", "claude-code", "--yes")
    return home


def findings(home, *args, code=1):
    said = home.run("doctor", *args, "--json", code=code)
    return {(f["level"], f["about"], f["what"], f["remedy"]) for f in json.loads(said.splitlines()[-1])["findings"]}


def entry(home, change, name=".claude.json", key="mcpServers"):
    path = home.path / name
    data = json.loads(path.read_text())
    change(data[key])
    path.write_text(json.dumps(data))


def only(found):
    assert len(found) == 1, found
    return next(iter(found))


def test_a_sound_setup_has_no_findings(connected):
    assert findings(connected, code=0) == set()
    assert "Nothing is wrong." in connected.run("doctor")


def test_nothing_connected_is_said_with_the_way(home):
    level, _, _, remedy = only(findings(home, code=0))
    assert (level, remedy) == ("warning", "run: paste-mcp connect")


def test_an_entry_that_starts_nothing(connected):
    entry(connected, lambda servers: servers["paste"].update(command="/gone/paste-mcp"))
    level, about, what, remedy = only(findings(connected))
    assert (level, about) == ("problem", "Claude Code: paste")
    assert "/gone/paste-mcp" in what
    assert "paste-mcp connect claude-code" in remedy


def test_a_command_that_only_a_shell_finds_is_a_problem_of_desktop_clients(home, monkeypatch):
    bin_ = home.path / "bin"
    home.write("bin/paste-mcp", "#!/bin/sh\n").chmod(0o755)
    home.write("bin/my-server", f"#!/bin/sh\nexec {sys.executable} {SERVER['args'][0]}\n").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}:/usr/bin:/bin")
    config = home.write("c.json", {"mcpServers": {"one": {"command": "my-server"}}})
    config.chmod(0o600)
    start = {"command": "paste-mcp", "args": ["serve", "--config", str(config)]}
    home.write(".claude.json", {"mcpServers": {"paste": start}})
    assert findings(home, code=0) == set()
    home.write(".config/Claude/claude_desktop_config.json", {"mcpServers": {"paste": start}})
    found = sorted(findings(home))
    assert [level for level, *_ in found] == ["problem", "warning"]
    assert "in a shell only" in found[0][2]
    assert found[1][1] == "one"
    assert found[1][3] == f"write its path: {bin_}/my-server"


def test_a_missing_runtime_is_named_with_where_to_get_it(home, monkeypatch):
    monkeypatch.setenv("PATH", str(home.path / "empty"))
    config = home.write("c.json", {"mcpServers": {"fs": {"command": "npx", "args": ["x"]}, "git": GIT}})
    config.chmod(0o600)
    found = {about: remedy for _, about, what, remedy in findings(home, "--config", str(config)) if "not found" in what}
    assert "Node.js" in found["fs"]
    assert "astral" in found["git"]


def test_a_server_beside_and_behind_the_proxy_is_two_copies(connected):
    entry(connected, lambda servers: servers.update(again=SERVER, other=GIT, off={**SERVER, "disabled": True}))
    level, about, what, _ = only(findings(connected))
    assert (level, about) == ("problem", "again")
    assert "behind it as one" in what


def test_a_name_too_long_for_the_client(home):
    config = home.write("c.json", {"mcpServers": {"a-rather-long-alias-of-a-server": SERVER}})
    config.chmod(0o600)
    key = "my-very-own-proxy-of-many-servers"
    start = {"command": sys.executable, "args": ["-m", "paste_mcp", "serve", "--config", str(config)]}
    home.write(".cursor/mcp.json", {"mcpServers": {key: start}})
    found = findings(home)
    assert {about for _, about, *_ in found} == {"a-rather-long-alias-of-a-server"}
    assert all("Cursor takes 60" in what and key in remedy for _, _, what, remedy in found)
    assert len(found) == 4


def test_a_server_slower_than_the_client_waits(home):
    config = home.write("c.json", {"mcpServers": {"late": {**SERVER, "args": [*SERVER["args"], "--slow", "0.3"]}}})
    config.chmod(0o600)
    start = f'command = "{sys.executable}"\nargs = ["-m", "paste_mcp", "serve", "--config", "{config}"]\n'
    home.write(".codex/config.toml", f"[mcp_servers.paste]\n{start}startup_timeout_sec = 0.2\n")
    level, about, what, _ = only(findings(home, code=0))
    assert (level, about) == ("warning", "late")
    assert "Codex waits" in what


def test_a_server_that_dies_and_a_config_that_cannot_be_read(home):
    config = home.write("c.json", {"mcpServers": {"dead": {"command": "false"}}})
    config.chmod(0o600)
    assert ("problem", "dead") in {found[:2] for found in findings(home, "--config", str(config))}
    config.write_text('{"mcpServers": {"a": {"comand": "x"}}}')
    assert any("did you mean 'command'" in what for _, _, what, _ in findings(home, "--config", str(config)))


def test_what_others_may_read(connected):
    (connected.path / "state").mkdir(mode=0o755)
    config = connected.config / "claude-code.json"
    config.write_text(config.read_text().replace('"command"', '"env": {"TOKEN": "x"}, "command"'))
    config.chmod(0o644)
    remedies = {remedy for _, _, _, remedy in findings(connected)}
    assert remedies == {f"run: chmod 700 {connected.path / 'state'}", f"run: chmod 600 {config}"}


def test_servers_that_moved_behind_an_entry_that_is_gone(connected):
    entry(connected, lambda servers: servers.pop("paste"))
    assert ("warning", "run: paste-mcp disconnect") in {(f[0], f[3]) for f in findings(connected, code=0)}


def test_a_clients_file_that_cannot_be_read(connected):
    connected.write(".cursor/mcp.json", "{")
    level, about, what, _ = only(findings(connected))
    assert (level, about) == ("problem", "Cursor")
    assert "mcp.json" in what


def test_a_pattern_file_that_cannot_be_read_and_a_url_that_nobody_answers(home):
    config = home.write(
        "c.json", {"mcpServers": {"far": {"url": "http://127.0.0.1:9/mcp"}}, "paste": {"patterns": ["gone.yaml"]}}
    )
    found = findings(home, "--config", str(config))
    assert any("gone.yaml" in what for _, _, what, _ in found)
    assert any(about == "far" and "URL" in remedy for _, about, _, remedy in found)
