"""`init` asks with the tools in view and writes what was answered, and nothing else."""

import json
import sys
from pathlib import Path

import pytest

from paste_mcp.config import load_config
from paste_mcp.core.speculation.settings import ServerPolicy

SERVER = {"command": sys.executable, "args": [str(Path(__file__).with_name("setup_server.py"))]}


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr("paste_mcp.cli_setup.on_terminal", lambda: True)


ANSWERS = {
    "nothing": ("n\n\n", ServerPolicy("shadow")),
    "trust": ("y\nn\n\n", ServerPolicy("annotated")),
    "trust, closed": ("y\ny\n\n", ServerPolicy("annotated", closed_world=True)),
    "by name only": ("n\nplain p*k\n", ServerPolicy("listed", allow=("plain", "p*k"))),
    "both": ("y\nn\nplain\n", ServerPolicy("annotated", allow=("plain",))),
    "asked again for a name that cannot be": ("n\nwipe\nlook\n", ServerPolicy("listed", allow=("look",))),
}


@pytest.mark.parametrize(("say", "policy"), ANSWERS.values(), ids=ANSWERS)
def test_each_answer_becomes_its_policy_and_the_rest_of_the_file_stays(say, policy, home, terminal):
    text = '{\n  // mine\n  "mcpServers": {\n    "one": %s // one\n  },\n  "paste": {"record": "off"}\n}\n'
    path = home.write("servers.json", text.replace("%s", json.dumps(SERVER)))
    path.chmod(0o600)
    said = home.run("init", "--config", str(path), say=say)
    assert "read-only" in said
    config = load_config(path, {})
    assert config.policy("one") == policy
    assert config.paste.record == "off"
    written = path.read_text()
    assert "// mine" in written
    assert "// one" in written
    assert "/* " in written
    assert path.with_name("servers.json.bak").read_text() == text.replace("%s", json.dumps(SERVER))


def test_asking_again_replaces_the_answer(home, terminal):
    path = home.write("servers.json", {"mcpServers": {"one": SERVER}})
    path.chmod(0o600)
    home.run("init", "--config", str(path), say="y\ny\n\n")
    home.run("init", "--config", str(path), say="n\n\n")
    assert load_config(path, {}).policy("one") == ServerPolicy("shadow")
    assert path.read_text().count("speculation") == 1


def test_a_new_file_gets_the_clients_servers_in_shadow_and_leaves_the_clients_alone(home):
    other = {"command": "uvx", "args": ["other"]}
    code = home.write(".claude.json", {"mcpServers": {"one": SERVER, "off": {**SERVER, "disabled": True}}})
    cursor = home.write(".cursor/mcp.json", {"mcpServers": {"one": other, "two": other}})
    before = [code.read_bytes(), cursor.read_bytes()]
    home.run("init", "--yes")
    path = home.config / "servers.json"
    config = load_config(path, {})
    assert list(config.servers) == ["one", "one-cursor", "two"]
    assert config.servers["one-cursor"].args == ("other",)
    assert {config.policy(alias).mode for alias in config.servers} == {"shadow"}
    assert '"annotated"' in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [code.read_bytes(), cursor.read_bytes()] == before


def test_a_server_that_does_not_start_is_not_asked_about(home, terminal):
    path = home.write("servers.json", {"mcpServers": {"gone": {"command": "/nowhere/at/all"}, "one": SERVER}})
    path.chmod(0o600)
    said = home.run("init", "--config", str(path), say="y\nn\n\n")
    assert "did not start" in said
    assert load_config(path, {}).policy("gone").mode == "shadow"
    assert load_config(path, {}).policy("one").mode == "annotated"


@pytest.mark.parametrize(
    ("content", "args", "words"),
    [
        ('{"mcpServers": {"a": {"command": "x"}}}', [], "there is no terminal; --yes writes the defaults"),
        ('{"mcpServers": {"a": {"command": "x"}}}', ["--yes"], "is there already"),
        ('{"mcpServers": {}}', ["--yes"], "holds no server"),
        (None, ["--yes"], "no client has servers"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(content, args, words, home):
    path = home.path / "servers.json" if content is None else home.write("servers.json", content)
    said = home.run("init", "--config", str(path), *args, code=2)
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert path.exists() == (content is not None)
    assert content is None or path.read_text() == content


@pytest.mark.parametrize("name", [".claude.json", "app/.mcp.json", "app/.cursor/mcp.json"])
def test_a_clients_own_file_is_not_written_to(name, home):
    path = home.write(name, {"mcpServers": {"one": SERVER}})
    before = path.read_bytes()
    assert "paste-mcp connect" in home.run("init", "--config", str(path), "--yes", code=2)
    assert path.read_bytes() == before
