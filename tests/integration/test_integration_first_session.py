"""The first session with a server that nobody has seen: nothing is written and nothing learnt, names have to do."""

import os
import subprocess

import anyio
import pytest
from integration_harness import only_record, outcome, research, script, through_stdio, within, write_config

pytestmark = pytest.mark.anyio
SLOW_S = 0.3
"""What a call takes: nothing is gained by foreseeing fast ones."""


@within(90)
async def test_after_a_first_search_what_it_found_is_opened_early(tmp_path, index):
    server = {
        **research(index, "--latency", str(SLOW_S)),
        "speculation": "annotated",
        "closed_world": True,
    }
    config = write_config(tmp_path, {"r": server}, default_patterns=False)
    async with through_stdio(config, tmp_path / "state") as client:
        found = (await client.call_tool("r__search", {"query": "cancel a task"})).structured_content
        for result in found["results"][:3]:
            await anyio.sleep(2 * SLOW_S)
            await client.call_tool("r__visit", {"url": result["url"]})
    calls, summary = only_record(tmp_path / "state")
    assert [call["tool"] for call in calls] == ["search", "visit", "visit", "visit"]
    assert summary["hits"] + summary["late_hits"] > 0


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="git is slowed down by a shell script")
@within(90)
async def test_after_a_first_log_its_commits_are_shown_early(tmp_path):
    folder, slow_git = tmp_path / "repository", tmp_path / "slow-git"
    slow_git.write_text(f'#!/bin/sh\nsleep {SLOW_S}\nexec git "$@"\n')
    slow_git.chmod(0o700)
    who = {f"GIT_{role}_{what}": f"a@{role}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environ = os.environ | who | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments):
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environ, timeout=30).stdout

    folder.mkdir()
    git("init", "--quiet")
    for number in range(4):
        git("commit", "--quiet", "--allow-empty", "--message", f"Note {number}")
    server = {
        "command": script("mcp-server-git"),
        "args": ["--repository", str(folder)],
        "env": {"GIT_PYTHON_GIT_EXECUTABLE": str(slow_git)},
        "speculation": "annotated",
        "closed_world": True,
    }
    config = write_config(tmp_path, {"git": server}, default_patterns=False)
    async with through_stdio(config, tmp_path / "state") as client:
        await outcome(client, "git__git_log", {"repo_path": str(folder), "max_count": 4})
        for commit in git("log", "--format=%H").split():
            await anyio.sleep(4 * SLOW_S)
            await outcome(client, "git__git_show", {"repo_path": str(folder), "revision": commit})
    _, summary = only_record(tmp_path / "state")
    assert summary["hits"] + summary["late_hits"] > 0
