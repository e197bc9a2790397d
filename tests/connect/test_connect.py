"""What is asked, shown, refused and kept when servers move, and what happens when files change in between."""

import json
from pathlib import Path

import pytest
from connect_harness import GIT, SECRET

from paste_mcp.config import load_config
from paste_mcp.connect.launcher import launcher

CODE = ".claude.json"
DESKTOP = ".config/Claude/claude_desktop_config.json"


def entry_of(home, name=CODE, key="mcpServers"):
    return json.loads((home.path / name).read_text())[key]


STAYS = {
    "turned off": (CODE, {"x": {**GIT, "disabled": True}}, "turned off"),
    "sign-in": (CODE, {"x": {"type": "http", "url": "https://mcp.example.com/mcp"}}, "--server x"),
    "fewer tools": (".gemini/settings.json", {"x": {**GIT, "includeTools": ["a"]}}, "'includeTools'"),
    "trust that came with a project": (CODE, {"x": {**GIT, "speculation": "annotated"}}, "'speculation'"),
    "a login of the client's": (CODE, {"x": {"url": "https://h.example/mcp", "auth": {"CLIENT_ID": "a"}}}, "login"),
    "unknown key": (CODE, {"x": {**GIT, "sandboxed": 1}}, "'sandboxed'"),
    "unknown transport": (CODE, {"x": {"type": "ws", "url": "ws://h/mcp", "headers": {"a": "b"}}}, "cannot run"),
    "extension": (".config/zed/settings.json", {"x": {"source": "extension", "settings": {}}}, "no command"),
    "not an object": (CODE, {"x": "uvx"}, "not an object"),
    "odd args": (CODE, {"x": {"command": "uvx", "args": "mcp"}}, "cannot run"),
    "asked by the editor": (".config/Code/User/mcp.json", {"x": {**GIT, "env": {"T": "${input:t}"}}}, "${input:t}"),
    "workspace": (".cursor/mcp.json", {"x": {**GIT, "cwd": "${workspaceFolder}"}}, "${workspaceFolder}"),
    "text elsewhere": (DESKTOP, {"x": {**GIT, "env": {"T": "${TOKEN}"}}}, "${TOKEN}"),
    "relative folder": (CODE, {"x": {**GIT, "cwd": "sub"}}, "relative"),
    "ours": (CODE, {"x": {"command": "/a/paste-mcp", "args": ["serve", "--config", "c"]}}, "it is paste-mcp"),
}  # fmt: skip
KEYS = {".config/Code/User/mcp.json": "servers", ".config/zed/settings.json": "context_servers"}
IDS = {CODE: "claude-code", ".gemini/settings.json": "gemini", ".config/zed/settings.json": "zed",
       ".config/Code/User/mcp.json": "vscode", ".cursor/mcp.json": "cursor",
       DESKTOP: "claude-desktop"}  # fmt: skip


@pytest.mark.parametrize(("name", "servers", "why"), STAYS.values(), ids=STAYS)
def test_what_cannot_move_stays_with_a_word_and_the_rest_moves(name, servers, why, home):
    key = KEYS.get(name, "mcpServers")
    home.write(name, {key: {**servers, "good": GIT}})
    (done,) = home.json("connect", IDS[name], "--yes")["connect"]
    assert why in done["stays"]["x"]
    assert done["moves"] == {"good": "good"}
    assert entry_of(home, name, key).keys() == {"x", "paste"}
    assert entry_of(home, name, key)["x"] == servers["x"]


def test_a_file_whose_servers_all_stay_is_left_alone(home):
    path = home.write(CODE, {"mcpServers": {"x": {**GIT, "disabled": True}}})
    before = path.read_bytes()
    assert "nothing to move" in home.run("connect", "claude-code", "--yes", code=1)
    assert path.read_bytes() == before
    assert not home.config.exists()


def test_names_that_no_tool_could_carry_are_changed_and_come_back(home):
    path = home.write(CODE, {"mcpServers": {"github.com/a b": GIT, "github-com-a-b": GIT, "Ä__": GIT}})
    before = path.read_bytes()
    (done,) = home.json("connect", "claude-code", "--yes")["connect"]
    assert len({alias.casefold() for alias in done["moves"].values()}) == 3
    home.run("disconnect", "claude-code", "--yes")
    assert path.read_bytes() == before


def test_a_remote_server_moves_when_it_is_named(home):
    home.write(CODE, {"mcpServers": {"web": {"type": "http", "url": "https://mcp.example.com/mcp"}, "git": GIT}})
    (done,) = home.json("connect", "claude-code", "--server", "web", "--yes")["connect"]
    assert done["moves"] == {"web": "web"}
    assert entry_of(home).keys() == {"paste", "git"}


def test_a_moved_server_that_may_want_a_login_is_told_the_way(home):
    home.write(CODE, {"mcpServers": {"web": {"type": "http", "url": "https://mcp.example.com/mcp"}}})
    said = home.run("connect", "claude-code", "--server", "web", "--yes")
    config = home.config / "claude-code.json"
    assert f"paste-mcp login web --config {config}" in said
    config.write_text(config.read_text().replace('"type": "http"', '"type": "http", "auth": "oauth"'))
    home.run("connect", "claude-code", "--yes")
    assert load_config(config, {}).servers["web"].auth == "oauth"


def test_a_project_that_is_gone_is_not_made_anew(home):
    project = home.path / "work"
    home.write("work/.mcp.json", {"mcpServers": {"git": GIT}})
    home.run("connect", "claude-code", "--project", str(project), "--yes")
    (project / ".mcp.json").unlink()
    project.rmdir()
    assert "folder is gone" in home.run("disconnect", "--yes")
    assert not project.exists()
    assert not list((home.config).rglob("*.json"))


def test_no_secret_is_on_the_screen_in_any_form(home):
    secrets = [SECRET, "hunter2", "correct-horse", "q1w2e3", "s3cr3t-pass", "in-a-comment-ghp_zyxwvutsrqponmlkjihgfe"]
    url = "https://ada:s3cr3t-pass@h.example/mcp?key=q1w2e3"
    home.write(
        ".config/Code/User/mcp.json",
        '{"servers": {\n"a": {"command": "npx", "args": ["--token", "hunter2", "--api-key=correct-horse"],'
        f' "env": {{"T": "{SECRET}"}}}},\n// {secrets[-1]}\n'
        f'"b": {{"type": "http", "url": "{url}", "headers": {{"X": "{SECRET}"}}}}}}}}',
    )
    home.write(
        ".codex/config.toml",
        '[mcp_servers.a]\ncommand = "npx"\nargs = ["--token", "hunter2",\n "--api-key=correct-horse"]\n'
        f"# {secrets[-1]}\n"
        f'env = {{ T = "{SECRET}" }}\n[mcp_servers.b]\nurl = "{url}"\nhttp_headers = {{ X = \'{SECRET}\' }}\n'
        f'[mcp_servers.c]\ncommand = "x"\n[mcp_servers.c.env]\nT = """{SECRET}"""\n"U" = "correct-horse"\n',
    )
    said = home.run("connect", "--json") + home.run("connect")
    for id in ("vscode", "codex"):
        said += home.run("connect", id, "--dry-run") + home.run("connect", id, "--yes", "--json")
        said += home.run("disconnect", id, "--yes")
    assert "•••" in said
    for secret in secrets:
        assert secret not in said, secret


def test_a_dry_run_writes_nothing(home):
    path = home.write(CODE, {"mcpServers": {"git": GIT}})
    before = path.read_bytes()
    said = home.run("connect", "claude-code", "--dry-run")
    assert "mcp-server-git" in said
    assert path.read_bytes() == before
    assert not home.config.exists()


def test_without_a_terminal_nothing_is_done_unasked(home):
    path = home.write(CODE, {"mcpServers": {"git": GIT}})
    before = path.read_bytes()
    assert "--yes" in home.run("connect", "claude-code", code=2)
    assert path.read_bytes() == before


def test_a_refusal_changes_nothing_and_a_yes_does(home, monkeypatch):
    path = home.write(CODE, {"mcpServers": {"git": GIT}})
    before = path.read_bytes()
    monkeypatch.setattr("paste_mcp.cli_connect.on_terminal", lambda: True)
    home.run("connect", "claude-code", say="n\n")
    assert path.read_bytes() == before
    home.run("connect", say="claude-code\ny\n")
    assert entry_of(home).keys() == {"paste"}


def test_what_is_found_is_listed(home):
    home.write(CODE, {"mcpServers": {"git": GIT, "off": {**GIT, "disabled": True}}})
    home.write(".cursor/mcp.json", "{ nonsense")
    home.write(".gemini/settings.json", "")
    assert "git, (off)" in home.run("connect")
    found = home.json("connect")["found"]
    assert [place["client"] for place in found] == ["claude-code"]
    home.run("connect", "claude-code", "--yes")
    assert home.json("connect")["found"][0]["connected"]["servers"] == ["git"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["connect", "claude-kode"], "did you mean claude-code?"),
        (["connect", "vim"], "no such client; choose from claude-desktop"),
        (["connect", "cursor"], "no servers found in"),
        (["connect", "cursor", "--project", "/nowhere/at/all"], "no such folder"),
        (["disconnect", "cursor"], "is not connected"),
        (["connect", "claude-code"], "left alone"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(args, words, home):
    home.write(CODE, '{"mcpServers": {"git": {}, "git": {}}}')
    said = home.run(*args, code=2)
    assert words in said
    assert len(said.strip().splitlines()) == 1


def test_a_file_edited_since_loses_only_what_was_ours(home):
    path = home.write(CODE, {"a": 1, "mcpServers": {"git": {**GIT, "note": "kept as it was"}, "time": GIT}, "z": 2})
    home.run("connect", "claude-code", "--yes")
    data = json.loads(path.read_text())
    data["a"] = "edited"
    data["mcpServers"]["new"] = {"command": "new"}
    data["mcpServers"]["time"] = {"command": "another"}
    path.write_text(json.dumps(data, indent=4))
    (done,) = home.json("disconnect", "claude-code", "--yes")["disconnect"]
    assert not done["exact"]
    assert "edited since" in " ".join(done["notes"])
    assert "which stay: time" in " ".join(done["notes"])
    after = json.loads(path.read_text())
    assert (after["a"], after["z"]) == ("edited", 2)
    assert after["mcpServers"] == {
        "git": {**GIT, "note": "kept as it was"},
        "new": {"command": "new"},
        "time": {"command": "another"},
    }


def test_a_toml_file_edited_since_loses_only_what_was_ours(home):
    path = home.write(".codex/config.toml", '[mcp_servers.git]\ncommand = "uvx" # c\n\n[tui]\nx = 1\n')
    home.run("connect", "codex", "--yes")
    path.write_text(path.read_text() + '\n[mcp_servers.new]\ncommand = "n"\n')
    home.run("disconnect", "codex", "--yes")
    assert (
        path.read_text()
        == '[mcp_servers.git]\ncommand = "uvx" # c\n\n[tui]\nx = 1\n\n[mcp_servers.new]\ncommand = "n"\n'
    )


def test_servers_come_back_even_if_our_entry_or_the_file_is_gone(home):
    path = home.write(CODE, {"mcpServers": {"git": GIT}})
    before = path.read_bytes()
    home.run("connect", "claude-code", "--yes")
    path.write_text('{"mcpServers": {}}')
    home.run("disconnect", "claude-code", "--yes")
    assert entry_of(home) == {"git": GIT}
    path.write_bytes(before)
    home.run("connect", "claude-code", "--yes")
    path.unlink()
    home.run("disconnect", "claude-code", "--yes")
    assert path.read_bytes() == before


def test_what_the_user_wrote_into_our_file_stays(home):
    home.write(CODE, {"mcpServers": {"git": GIT}})
    home.run("connect", "claude-code", "--yes")
    config = home.config / "claude-code.json"
    config.write_text(config.read_text().replace('"shadow" }', '"annotated" } // mine'))
    said = home.run("disconnect", "claude-code", "--yes")
    assert "stays, as you have edited it" in said
    home.run("connect", "claude-code", "--yes")
    assert "// mine" in config.read_text()
    assert load_config(config, {}).policy("git").mode == "annotated"
    home.run("disconnect", "claude-code", "--yes")
    assert "// mine" in config.read_text()


def test_connecting_again_takes_new_servers_along_and_one_undo_leads_back(home):
    path = home.write(CODE, {"mcpServers": {"git": GIT}})
    home.run("connect", "claude-code", "--yes")
    data = json.loads(path.read_text())
    data["mcpServers"]["time"] = {"command": "uvx", "args": ["mcp-server-time"]}
    path.write_text(json.dumps(data, indent=2))
    (done,) = home.json("connect", "claude-code", "--yes")["connect"]
    assert done["moves"].keys() == {"git", "time"}
    assert entry_of(home).keys() == {"paste"}
    assert len(list((home.config / "backups").iterdir())) == 1
    home.run("disconnect", "claude-code", "--yes")
    assert entry_of(home) == {"git": GIT, "time": {"command": "uvx", "args": ["mcp-server-time"]}}


def test_a_projects_servers_are_its_own_in_both_places(home):
    project = home.path / "work" / "my app"
    home.write("work/my app/.mcp.json", {"mcpServers": {"git": {**GIT, "cwd": "sub"}}})
    path = home.write(CODE, {"mcpServers": {"u": GIT}, "projects": {str(project): {"mcpServers": {"l": GIT}}}})
    before = [path.read_bytes(), (project / ".mcp.json").read_bytes()]
    home.run("connect", "claude-code", "--yes")
    done = home.json("connect", "claude-code", "--project", str(project), "--yes")["connect"]
    assert [(place["scope"], list(place["moves"])) for place in done] == [("project", ["git"]), ("local", ["l"])]
    assert len({place["config"] for place in done}) == 2
    assert str(project / "sub") in Path(done[0]["config"]).read_text()
    home.run("disconnect", "--yes")
    assert [path.read_bytes(), (project / ".mcp.json").read_bytes()] == before


def test_servers_that_are_only_in_projects_are_pointed_at(home):
    home.write(CODE, {"mcpServers": {}, "projects": {"/w/a b": {"mcpServers": {"x": GIT}}, "/w/c": {"mcpServers": {}}}})
    assert "--project '/w/a b'" in home.run("connect", "claude-code", "--yes", code=2)
    assert "--project '/w/a b'" in home.run("connect")


def test_a_file_changed_while_the_user_thinks_is_not_overwritten(home, monkeypatch):
    path = home.write(CODE, {"mcpServers": {"git": GIT}})
    monkeypatch.setattr("paste_mcp.cli_connect.on_terminal", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: path.write_text('{"mcpServers": {}}') or True)
    assert "changed by someone else" in home.run("connect", "claude-code", code=2)
    assert path.read_text() == '{"mcpServers": {}}'
    assert not home.config.exists()


def test_a_link_stays_a_link(home):
    real = home.write("dotfiles/claude.json", {"mcpServers": {"git": GIT}})
    (home.path / CODE).symlink_to(real)
    before = real.read_bytes()
    home.run("connect", "claude-code", "--yes")
    assert (home.path / CODE).is_symlink()
    assert entry_of(home).keys() == {"paste"}
    home.run("disconnect", "--yes")
    assert (home.path / CODE).is_symlink()
    assert real.read_bytes() == before


def test_a_server_of_the_users_own_called_paste_is_in_the_way(home):
    home.write(CODE, {"mcpServers": {"paste": GIT, "git": GIT}})
    assert "rename it first" in home.run("connect", "claude-code", "--server", "git", "--yes", code=2)


def test_out_of_uvs_cache_the_client_starts_uvx(tmp_path):
    uvx = tmp_path / "bin" / "uvx"
    uvx.parent.mkdir()
    uvx.write_text("#!/bin/sh\n")
    uvx.chmod(0o755)
    cached = tmp_path / "uv" / "archive-v0" / "abc" / "bin" / "python"
    chosen = launcher(str(cached), {"PATH": str(uvx.parent)})
    assert chosen.command == str(uvx)
    assert chosen.args[-1] == "paste-mcp"
    tool = tmp_path / "uv" / "tools" / "paste-mcp" / "bin" / "python"
    tool.parent.mkdir(parents=True)
    tool.with_name("paste-mcp").write_text("")
    assert launcher(str(tool), {"PATH": str(uvx.parent)}).command == str(tool.with_name("paste-mcp"))
    alone = launcher(str(tmp_path / "python"), {})
    assert (alone.command, alone.args) == (str(tmp_path / "python"), ("-m", "paste_mcp"))
