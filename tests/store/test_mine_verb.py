"""`paste-mcp mine` as a user runs it, with a home of the test's own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from history_samples import Codex, claude_session, results_of, write_lines

from paste_mcp.store.pattern_files import load_patterns

TIMEOUT_S = 90


@pytest.fixture
def user(tmp_path):
    """A home with the logs of five conversations, and a state folder."""
    home = tmp_path / "home"
    for n in range(5):
        lines = claude_session(session=f"s{n}", prefix=f"toolu_01{n:010}", topic=f"topic{n}")
        write_lines(home / f".claude/projects/-home-ada/{n}.jsonl", lines)
    rollout = Codex().calls("call_000000001", "mcp__research__search", query="x")
    rollout.gets("call_000000001", json.dumps(results_of("x", "u1", "u2")))
    rollout.calls("call_000000002", "mcp__research__visit", url="u1").gets("call_000000002", "page")
    write_lines(home / ".codex/sessions/2026/03/02/rollout-1.jsonl", [*rollout.lines, '{"cut'])
    return tmp_path


def mine(user, *options):
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("CLAUDE_", "CODEX_"))}
    environ |= {"HOME": str(user / "home"), "PASTE_MCP_STATE_DIR": str(user / "state")}
    command = [sys.executable, "-m", "paste_mcp", "mine", *map(str, options)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environ, timeout=TIMEOUT_S)


def figures(run):
    return json.loads(run.stdout.splitlines()[-1])


def test_a_new_user_starts_with_his_own_history(user):
    run = mine(user, "--json")
    assert run.returncode == 0, run.stderr
    assert "found 0 own records, 5 Claude Code logs, 1 Codex log" in run.stderr
    told = figures(run)
    assert (told["sessions"], told["calls"], told["new_calls"]) == (6, 17, 17)
    assert told["logs"] == {"Claude Code log": 5, "Codex log": 1}
    assert (told["left_out"], told["skipped_lines"], told["problems"]) == (5, 1, [])
    assert told["patterns"] >= 1
    assert "research/search is followed by research/visit, 6 of 6 times" in run.stdout
    assert "url is the next $.results[*].url of the result of that call" in run.stdout
    assert "6 sessions" in run.stdout
    assert Path(told["kept"]).exists()
    again = figures(mine(user, "--json"))
    assert (again["calls"], again["new_calls"]) == (17, 0)


def test_the_patterns_are_written_as_a_file_that_can_be_read(user):
    file = user / "mined.yaml"
    run = mine(user, "--output", file, "--no-keep", "--json")
    assert run.returncode == 0, run.stderr
    assert figures(run)["kept"] is None
    assert not (user / "state").exists()
    patterns = load_patterns(file, users_own=True)
    assert len(patterns) == figures(run)["patterns"]
    assert any(pattern.name == "learnt:research/search > research/visit" for pattern in patterns)
    assert "topic" not in file.read_text()


def test_files_and_folders_may_be_named_and_broken_ones_cost_one_line_each(user):
    folder = user / "home" / ".claude"
    broken = user / "broken.jsonl.gz"
    broken.write_bytes(b"\x1f\x8b" + b"x" * 50)
    run = mine(user, folder, broken, user / "nowhere", "--json")
    assert run.returncode == 0
    assert figures(run)["sessions"] == 5
    lines = run.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"paste-mcp: {broken}: damaged gzip data; ")
    assert lines[1].startswith(f"paste-mcp: {user / 'nowhere'}: cannot be read: ")


def test_nothing_that_can_be_read_is_an_error(user):
    run = mine(user, user / "nowhere")
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


def test_a_store_that_cannot_be_used_is_said_in_one_line(user):
    (user / "state").mkdir()
    (user / "state" / "learnt").write_text("no folder")
    run = mine(user)
    assert run.returncode == 2
    assert [line for line in run.stderr.splitlines() if "counts.sqlite" in line] == run.stderr.splitlines()[-1:]
    assert "Traceback" not in run.stderr
