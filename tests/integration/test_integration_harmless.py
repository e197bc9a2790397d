"""A server that the catalogue knows is started so that reading leaves no trace, where calls may run early."""

import subprocess

import pytest

from paste_mcp.app import harmless
from paste_mcp.config.load import parse_config
from paste_mcp.store.reviewed import Reviewed


def env_of(tmp_path, speculation, command="uvx", args=("mcp-server-git",), **env):
    entry = {"command": command, "args": list(args), "env": env, "speculation": speculation}
    config = parse_config({"mcpServers": {"git": entry}}, "test", {}, tmp_path)
    return harmless(config, "git", Reviewed()).env


@pytest.mark.parametrize(
    ("speculation", "env"),
    [
        ("annotated", {"GIT_OPTIONAL_LOCKS": "0"}),
        ({"allow": ["git_log"]}, {"GIT_OPTIONAL_LOCKS": "0"}),
        ("shadow", {}),
        ("off", {}),
    ],
)
def test_a_known_server_gets_its_environment_where_calls_may_run_early(tmp_path, speculation, env):
    assert env_of(tmp_path, speculation) == env


def test_what_the_user_set_stays_and_an_unknown_server_gets_nothing(tmp_path):
    assert env_of(tmp_path, "annotated", GIT_OPTIONAL_LOCKS="1") == {"GIT_OPTIONAL_LOCKS": "1"}
    assert env_of(tmp_path, "annotated", args=("mcp-server-git-too",)) == {}


def test_with_it_git_status_leaves_the_index_as_it_is(tmp_path):
    """What the entry is for: the fact that it rests on, on this machine's git."""

    def git(*words, **env):
        subprocess.run(
            ["git", *words], cwd=tmp_path, check=True, capture_output=True, env={"PATH": "/usr/bin:/bin", **env}
        )

    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    index = tmp_path / ".git" / "index"

    def rewritten(**env):
        (tmp_path / "file").write_text("one")  # the same, but written later: status would note that
        before = index.stat().st_ino, index.read_bytes()
        git("status", **env)
        return (index.stat().st_ino, index.read_bytes()) != before

    assert not rewritten(**Reviewed().env("mcp-server-git"))
    assert rewritten()
