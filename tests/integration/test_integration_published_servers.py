"""Servers that others wrote and that people use: mcp-server-git and mcp-server-time, with the shipped patterns."""

import os
import subprocess

import pytest
from integration_harness import (
    USEFUL,
    Tee,
    direct,
    only_record,
    outcome,
    script,
    side_by_side,
    through_stdio,
    tools_of,
    within,
    write_config,
)

pytestmark = pytest.mark.anyio

COMMITS = 3


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    who = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        who |= {f"GIT_{role}_NAME": "A Tester", f"GIT_{role}_EMAIL": "tester@example.com"}

    def git(*arguments):
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | who, timeout=30)
        return done.stdout.strip()

    git("init", "--quiet")
    for number in range(COMMITS):
        (folder / "notes.txt").write_text(f"é number {number}\n")
        git("add", "notes.txt")
        git("commit", "--quiet", "--message", f"Note {number}")
    return folder, git("rev-parse", "HEAD")


@within(90)
async def test_after_git_log_the_newest_commit_is_foreseen_and_shown_exactly_as_git_shows_it(tmp_path, repository):
    folder, newest = repository
    tee = Tee(tmp_path / "tee")
    entry = {
        "command": script("mcp-server-git"),
        "args": ["--repository", str(folder)],
        "env": {"GIT_OPTIONAL_LOCKS": "0"},
        "speculation": "annotated",
    }
    log, show = {"repo_path": str(folder), "max_count": 5}, {"repo_path": str(folder), "revision": newest}
    config = write_config(tmp_path, {"git": tee.around(entry)})
    both = {"alone": direct(entry), "proxied": through_stdio(config, tmp_path / "state")}
    async with side_by_side(**both) as clients:
        alone, proxied = clients.values()
        assert await tools_of(proxied) == [{**t, "name": f"git__{t['name']}"} for t in await tools_of(alone)]
        assert await outcome(proxied, "git__git_log", log) == await outcome(alone, "git_log", log)
        await tee.was_sent("git_show", revision=newest)
        shown = await outcome(proxied, "git__git_show", show)
        assert shown == await outcome(alone, "git_show", show)
        assert f"é number {COMMITS - 1}" in str(shown["content"])
    calls, summary = only_record(tmp_path / "state")
    assert [call["tool"] for call in calls] == ["git_log", "git_show"]
    assert calls[1]["answered"] in USEFUL
    assert summary["hits"] + summary["late_hits"] == 1
    assert tee.calls.count(("git_show", show)) == 1


@within(90)
async def test_mcp_server_time_answers(tmp_path):
    entry = {"command": script("mcp-server-time"), "args": ["--local-timezone", "UTC"]}
    convert = {"source_timezone": "Asia/Tokyo", "time": "16:30", "target_timezone": "Asia/Kolkata"}
    async with through_stdio(write_config(tmp_path, {"time": entry}), tmp_path / "state") as proxied:
        converted = await outcome(proxied, "time__convert_time", convert)
        assert converted["isError"] is False
        assert "-3.5h" in str(converted["content"])
        now = await outcome(proxied, "time__get_current_time", {"timezone": "UTC"})
        assert now["isError"] is False
        assert "+00:00" in str(now["content"])
        refused = await outcome(proxied, "time__get_current_time", {"timezone": "Mars/Olympus"})
        assert "Mars/Olympus" in str(refused)
