"""Every client's own file: its servers go behind the proxy, one entry of its own shape is left, and all comes back."""

import json
import os
import stat
import tomllib
from pathlib import Path

import pytest
from connect_harness import GIT

from paste_mcp.config import load_config
from paste_mcp.config.jsonc import read_jsonc
from paste_mcp.connect.clients import CLIENTS, Machine

REMOTE = {"url": "https://h.example/mcp", "headers": {"Authorization": "Bearer x"}}

FILES = {
    "claude-desktop": (".config/Claude/claude_desktop_config.json", {"mcpServers": {"git": GIT}}),
    "claude-code": (
        ".claude.json",
        {"numStartups": 3, "mcpServers": {"git": {"type": "stdio", **GIT, "env": {}}, "w": {"type": "http", **REMOTE}}},
    ),
    "cursor": (".cursor/mcp.json", {"mcpServers": {"git": GIT, "web": REMOTE}}),
    "vscode": (
        ".config/Code/User/mcp.json",
        '// mine\n{\n\t"inputs": [], // asked\n\t"servers": {\n\t\t"git": {"type": "stdio", "command": "uvx",'
        ' "args": ["mcp-server-git"]}, // git\n\t\t/* two */\n\t},\n}\n',
    ),
    "vscode-insiders": (".config/Code - Insiders/User/mcp.json", {"servers": {"git": {"type": "stdio", **GIT}}}),
    "windsurf": (
        ".codeium/windsurf/mcp_config.json",
        {"mcpServers": {"git": GIT, "web": {"serverUrl": "http://127.0.0.1:9/mcp"}}},
    ),
    "zed": (
        ".config/zed/settings.json",
        '{\r\n  // theme\r\n  "theme": "One",\r\n  "context_servers": {"git": ' + json.dumps(GIT) + "}\r\n}",
    ),
    "codex": (
        ".codex/config.toml",
        'model = "o"\n\n[mcp_servers.git] # git\ncommand = "uvx"\nargs = ["mcp-server-git"]\nenv_vars = ["GH"]\n'
        'startup_timeout_sec = 120\n\n# the rest\n[profiles.x]\nmodel = "p"\n',
    ),
    "gemini": (
        ".gemini/settings.json",
        {"theme": "x", "mcpServers": {"git": {**GIT, "env": {"T": "$TOKEN"}, "timeout": 90000, "trust": True}}},
    ),
    "cline": (
        ".config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        {"mcpServers": {"git": {**GIT, "disabled": False, "autoApprove": ["x"], "timeout": 60}}},
    ),
}  # fmt: skip


def servers_in(client, text):
    data = tomllib.loads(text) if client.format == "toml" else read_jsonc(text, "t")
    for key in client.keys:
        data = data[key]
    return data


def test_every_client_of_the_table_is_tried_here():
    assert FILES.keys() == {client.id for client in CLIENTS}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)
def test_a_clients_servers_move_and_come_back_to_the_byte(client, home):
    name, content = FILES[client.id]
    path = home.write(name, content)
    path.chmod(0o640)
    before = path.read_bytes()

    (done,) = home.json("connect", client.id, "--yes")["connect"]
    assert done["done"]
    assert done["stays"] == {}
    left = servers_in(client, path.read_bytes().decode())
    assert set(left) == {"paste"}
    entry = left["paste"]
    assert Path(entry["command"]).is_absolute()
    assert os.access(entry["command"], os.X_OK)
    assert entry["args"][-3:] == ["serve", "--config", done["config"]]
    assert ("type" in entry) == client.typed
    config = load_config(Path(done["config"]), os.environ)
    assert config.servers["git"].args == ("mcp-server-git",)
    assert config.policy("git").mode == "shadow"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    for file in (home.config, *home.config.rglob("*")):
        assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600), file

    (undone,) = home.json("disconnect", client.id, "--yes")["disconnect"]
    assert undone["exact"]
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not home.config.exists()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)
def test_comments_and_all_that_is_not_a_server_stay_as_they_are(client, home):
    name, content = FILES[client.id]
    path = home.write(name, content)
    home.run("connect", client.id, "--yes")
    text = path.read_bytes().decode()
    for part in ("// mine", "// asked", "/* two */", "// theme", "# the rest", '"numStartups": 3', 'model = "p"'):
        assert (part in text) == (part in (content if isinstance(content, str) else json.dumps(content)))
    assert ("\r\n" in text) == (client.id == "zed")
    assert client.id != "zed" or "\n" not in text.replace("\r\n", "")


def test_variables_that_a_client_keeps_to_itself_are_named_in_the_entry(home):
    for id in ("codex", "gemini"):
        home.write(*FILES[id])
        home.run("connect", id, "--yes")
    codex = tomllib.loads((home.path / ".codex/config.toml").read_text())["mcp_servers"]["paste"]
    gemini = json.loads((home.path / ".gemini/settings.json").read_text())["mcpServers"]["paste"]
    assert codex["env_vars"] == ["GH"]
    assert gemini["env"] == {"TOKEN": "${TOKEN}"}
    assert codex["startup_timeout_sec"] == 120
    assert gemini["timeout"] == 90000
    with_token = {**os.environ, "GH": "g", "TOKEN": "t"}
    assert load_config(home.config / "codex.json", with_token).servers["git"].env == {"GH": "g"}
    assert load_config(home.config / "codex.json", with_token).servers["git"].start_timeout_s == 120
    assert load_config(home.config / "gemini.json", with_token).servers["git"].env == {"T": "t"}
    # One server's missing variable is not the end of all of them.
    assert load_config(home.config / "gemini.json", {}).servers["git"].env == {"T": ""}


def test_codexs_words_for_headers_become_ours(home):
    home.write(
        ".codex/config.toml",
        '[mcp_servers.web]\nurl = "https://h.example/mcp"\nbearer_token_env_var = "TOK"\n'
        'http_headers = { A = "b" }\n[mcp_servers.web.env_http_headers]\nC = "CEE"\n',
    )
    home.run("connect", "codex", "--yes")
    server = load_config(home.config / "codex.json", {"TOK": "t", "CEE": "c"}).servers["web"]
    assert server.headers == {"A": "b", "C": "c", "Authorization": "Bearer t"}
    assert tomllib.loads((home.path / ".codex/config.toml").read_text())["mcp_servers"]["paste"]["env_vars"] == [
        "CEE",
        "TOK",
    ]


PATHS = {
    ("claude-desktop", "darwin"): "/Users/ada/Library/Application Support/Claude/claude_desktop_config.json",
    ("claude-desktop", "win32"): r"C:\Users\ada\AppData\Roaming\Claude\claude_desktop_config.json",
    ("claude-code", "win32"): r"C:\Users\ada\.claude.json",
    ("cursor", "win32"): r"C:\Users\ada\.cursor\mcp.json",
    ("vscode", "darwin"): "/Users/ada/Library/Application Support/Code/User/mcp.json",
    ("vscode", "win32"): r"C:\Users\ada\AppData\Roaming\Code\User\mcp.json",
    ("windsurf", "darwin"): "/Users/ada/.codeium/windsurf/mcp_config.json",
    ("zed", "darwin"): "/Users/ada/.config/zed/settings.json",
    ("zed", "win32"): r"C:\Users\ada\AppData\Roaming\Zed\settings.json",
    ("codex", "win32"): r"C:\Users\ada\.codex\config.toml",
    ("gemini", "darwin"): "/Users/ada/.gemini/settings.json",
    ("cline", "win32"): r"C:\Users\ada\AppData\Roaming\Code\User\globalStorage\saoudrizwan.claude-dev"
    r"\settings\cline_mcp_settings.json",
}


@pytest.mark.parametrize(("id", "platform"), PATHS)
def test_where_other_systems_keep_the_files(id, platform):
    home = {"darwin": "/Users/ada", "win32": r"C:\Users\ada"}[platform]
    client = next(client for client in CLIENTS if client.id == id)
    assert Machine(platform, home).path(client.user[platform]) == PATHS[id, platform]


def test_folders_that_the_environment_names_count():
    codex = next(client for client in CLIENTS if client.id == "codex")
    machine = Machine("linux", "/home/ada", {"CODEX_HOME": "/data/codex/", "XDG_CONFIG_HOME": ""})
    assert machine.path(codex.user["linux"]) == "/data/codex/config.toml"
    zed = next(client for client in CLIENTS if client.id == "zed")
    assert machine.path(zed.user["linux"]) == "/home/ada/.config/zed/settings.json"


def test_every_client_has_a_file_on_every_system():
    for client in CLIENTS:
        assert client.user.keys() == {"linux", "darwin", "win32"}
