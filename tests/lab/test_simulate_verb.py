"""`paste-mcp simulate` as a user calls it: from a trace to the figures of every policy."""

import json
import subprocess
import sys

import pytest
from evaluate_makers import call, session, trace_file, write

from paste_mcp.cli import main
from paste_mcp.lab.simulate.policies import POLICIES

FIELDS = """set policy sessions e2e_s stall_s p50_s p95_s p99_s hits late_hits promoted issued wasted hidden_s
    amplification""".split()


def url(number):
    return f"https://example.test/{number}"


def workflow(number):
    """Search, visit both results, change something, search on, visit: with other values in each session."""
    first = 1000 * number

    def searched(at):
        return call("web/search", {"query": at}, {"results": [{"url": url(at)}, {"url": url(at + 1)}]})

    def visited(at):
        return call("web/visit", {"url": url(at)}, f"page {at}")

    turns = [searched(first), visited(first), visited(first + 1), write(), searched(first + 10), visited(first + 10)]
    return session(*turns, id=f"run {number}", task=f"task {number}")


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    return trace_file(tmp_path_factory.mktemp("traces") / "made.jsonl", *map(workflow, range(12)))


def simulate(*arguments):
    command = [sys.executable, "-m", "paste_mcp", "simulate", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def ran(trace):
    run = simulate(trace, "--think", "fixed:4", "--latency", "fixed:1", "--sessions", "1,4", "--json")
    assert run.returncode == 0, run.stderr
    return run


@pytest.fixture(scope="module")
def runs(ran):
    return {(run["policy"], run["sessions"]): run for run in json.loads(ran.stdout)["runs"]}


def test_there_is_one_line_of_json_with_every_figure_of_every_policy(ran, runs):
    assert len(ran.stdout.splitlines()) == 1
    assert list(runs) == [(policy, beside) for beside in (1, 4) for policy in POLICIES]
    assert all(set(FIELDS) <= run.keys() and run["set"] == "made" for run in runs.values())
    assert "made" in ran.stderr and "all-wrong" in ran.stderr


def test_none_takes_what_thinking_calls_and_starting_take(runs):
    none = runs["none", 1]
    # 12 sessions of 6 turns of 5 s; "web" and "s" are started in each, in half a second.
    assert (none["e2e_s"], none["stall_s"], none["issued"], none["amplification"]) == (372.0, 84.0, 0, 1.0)
    assert none["saved_s"] == 0.0


def test_orion_hides_the_starting_and_nothing_else(runs):
    orion = runs["orion", 1]
    assert (orion["e2e_s"], orion["hits"], orion["issued"], orion["hidden_s"]) == (360.0, 0, 0, 0.0)


def test_the_oracle_hides_every_read_after_the_first_and_wastes_nothing(runs):
    oracle = runs["oracle", 1]
    # The first search and the write cannot be hidden, nor the read after the write's own turn before it returned.
    assert (oracle["hits"], oracle["wasted"], oracle["hidden_s"]) == (48, 0, 48.0)
    assert oracle["e2e_s"] == 312.0


def test_ours_is_ahead_of_its_rivals_and_not_of_the_oracle(runs):
    rivals = [runs[policy, 1]["e2e_s"] for policy in ("none", "orion", "specfaas", "bigram", "paste")]
    assert runs["oracle", 1]["e2e_s"] <= runs["ours", 1]["e2e_s"] < min(rivals)
    assert runs["ours", 1]["hits"] >= 36


def test_what_is_always_wrong_never_hits_and_is_sent_all_the_same(runs):
    wrong = runs["all-wrong", 1]
    assert wrong["hits"] == wrong["late_hits"] == wrong["hidden_s"] == 0
    assert wrong["wasted"] == wrong["issued"] > 0
    assert wrong["e2e_s"] <= 1.01 * runs["none", 1]["e2e_s"]


def test_other_luck_changes_nothing_where_nothing_is_left_to_chance(runs):
    assert runs["none-again", 1]["e2e_s"] == runs["none", 1]["e2e_s"]


def test_the_same_seed_gives_the_same_line_and_another_seed_another(trace):
    arguments = (trace, "--policies", "none,none-again,oracle", "--json")
    first, second, other = simulate(*arguments), simulate(*arguments), simulate(*arguments, "--seed", 1)
    assert first.stdout == second.stdout != other.stdout
    none, _, again = json.loads(first.stdout)["runs"]
    low, high = again["saved_interval_s"]
    assert low <= 0 <= high and again["e2e_s"] != none["e2e_s"], "chance, and no more"


BROKEN = {
    "a missing file": (["nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
    "an unknown policy": (["{trace}", "--policies", "none,magic"], "--policies magic: not known"),
    "no time": (["{trace}", "--think", "soon"], "--think soon: "),
    "no number of sessions": (["{trace}", "--sessions", "0"], "--sessions 0: "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_bad_input_gets_one_line(case, trace, capsys, monkeypatch):
    arguments, told = BROKEN[case]
    monkeypatch.setattr(sys, "argv", ["paste-mcp", "simulate", *(each.format(trace=trace) for each in arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 2 and told in said and len(said.splitlines()) == 1
