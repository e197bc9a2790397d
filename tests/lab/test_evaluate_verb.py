"""`paste-mcp evaluate` as a user calls it: from files to figures and to guesses that anyone can score."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from evaluate_makers import call, session, trace_file, write

from paste_mcp.cli import main

TIMEOUT_S = 120
TRACES = os.environ.get("PASTE_MCP_TRACES")


def searched(first):
    return call("web/search", {"query": first}, {"results": [{"url": url(first)}, {"url": url(first + 1)}]})


def visited(number):
    return call("web/visit", {"url": url(number)}, f"page {number}")


def url(number):
    return f"https://example.test/{number}"


def workflow(number, model="m"):
    """Search, visit both, change something, search on: the same in each session, with other values."""
    first = 1000 * number
    turns = [searched(first), visited(first), visited(first + 1), write(), searched(first + 10), visited(first + 10)]
    return session(*turns, id=f"{number}-{model}", task=f"task {number}", model=model)


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    sessions = [workflow(number, model) for number in range(15) for model in "ab"]
    return trace_file(tmp_path_factory.mktemp("traces") / "made.v1.jsonl", *sessions)


def evaluate(*arguments):
    command = [sys.executable, "-m", "paste_mcp", "evaluate", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)


def figures(*arguments):
    run = evaluate(*arguments, "--json")
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) == 1
    return json.loads(run.stdout)["sets"]


FIGURES = """hits hit_pct hit_pct_policy top1_pct top3_pct issued wasted_per_hit accuracy brier
    decision_us_p50 decision_us_p99""".split()
OF_A_SET = "calls read_only demand_after_first ceiling_pct ceiling_join_pct baselines".split()
BASELINES = ["repeat_last", "unigram", "bigram", "specfaas", "memo", "oracle"]


@pytest.fixture(scope="module")
def by_task(traces, tmp_path_factory):
    guesses = tmp_path_factory.mktemp("dump") / "guesses.jsonl"
    sets = figures("--train", traces, "--test", traces, "--folds", 5, "--dump", guesses, "--misses")
    return sets, [json.loads(line) for line in guesses.read_text().splitlines()]


def test_the_last_line_holds_every_figure_of_every_method(by_task):
    ((name, made),) = by_task[0].items()
    assert name == "made"
    assert {*FIGURES, *OF_A_SET} <= made.keys()
    assert list(made["baselines"]) == BASELINES
    assert all(set(FIGURES) <= each.keys() for each in made["baselines"].values())
    assert (made["calls"], made["read_only"], made["demand_after_first"]) == (180, 150, 150)
    assert sum(made["misses"].values()) == 150


def test_a_workflow_of_copies_is_foreseen_by_the_bigram_and_by_the_oracle_best(by_task):
    baselines = by_task[0]["made"]["baselines"]
    assert baselines["oracle"]["hits"] == 120 and baselines["oracle"]["wasted_per_hit"] == 0
    assert baselines["bigram"]["hits"] == 60, "both first results of a search, by one path of its result"
    assert baselines["bigram"]["wasted_per_hit"] == 0
    assert baselines["unigram"]["hits"] == 0 and baselines["unigram"]["wasted_per_hit"] is None


def test_the_dump_scored_by_itself_gives_the_same_hits(by_task, traces):
    sets, guesses = by_task
    assert all(each.keys() == {"session", "after_call", "tool", "arguments"} for each in guesses)
    assert len(guesses) == sets["made"]["issued"]
    hits = 0
    for line in traces.read_text().splitlines():
        made = json.loads(line)
        free = set(range(len(made["calls"])))
        for each in (each for each in guesses if each["session"] == made["session"]):
            hit = answered(made["calls"], each, free)
            hits += hit is not None
            free.discard(hit)
    assert hits == sets["made"]["hits"] > 0


def answered(calls, each, free):
    for position in range(each["after_call"] + 1, len(calls)):
        made = calls[position]
        if made["read_only"] is not True or made["turn"] - calls[each["after_call"]]["turn"] > 5:
            return None
        if position in free and (made["tool"], made["arguments"]) == (each["tool"], each["arguments"]):
            return position
    return None


def test_a_repeated_workflow_is_reported_for_each_model(traces):
    sets = figures("--train", traces, "--test", traces, "--folds", 5, "--by", "model")
    assert list(sets) == ["made@a", "made@b"]
    assert sum(made["demand_after_first"] for made in sets.values()) == 150
    assert all(made["baselines"]["specfaas"]["hits"] > 40 for made in sets.values()), "the other model did the same"


def test_sets_are_named_by_their_files_and_files_may_follow_one_option(traces, tmp_path):
    one = trace_file(tmp_path / "one.jsonl", *(workflow(number) for number in range(50, 55)))
    two = trace_file(tmp_path / "two.jsonl", *(workflow(number) for number in range(60, 62)))
    sets = figures("--train", traces, "--test", one, two, "--alone")
    assert {name: (made["calls"], made["baselines"]) for name, made in sets.items()} == {
        "one": (30, {}),
        "two": (12, {}),
    }


def test_a_cut_session_is_foreseen_like_the_whole_one_up_to_the_cut(traces, tmp_path):
    whole = [workflow(number) for number in range(50, 56)]
    cut = [made | {"calls": made["calls"][:3]} for made in whole]
    told = []
    for name, sessions in (("whole", whole), ("cut", cut)):
        dump = tmp_path / f"{name}.guesses"
        figures("--train", traces, "--test", trace_file(tmp_path / name, *sessions), "--dump", dump, "--alone")
        told.append([line for line in dump.read_text().splitlines() if json.loads(line)["after_call"] < 3])
    assert told[0] == told[1]


def test_tasks_that_are_learnt_from_and_tested_are_pointed_out(traces):
    run = evaluate("--train", traces, "--test", traces, "--alone")
    assert run.returncode == 0
    assert "15 tasks are learnt from and tested" in run.stderr
    assert "made" in run.stdout and "hits" in run.stdout


BROKEN = {
    "a missing file": (["--train", "nowhere.jsonl", "--test", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
    "a broken file": (["--train", "{broken}", "--test", "{traces}"], "broken.jsonl:1: not JSON"),
    "an empty file": (["--train", "{traces}", "--test", "{empty}"], "empty.jsonl: holds no sessions"),
    "one fold": (["--train", "{traces}", "--test", "{traces}", "--folds", "1"], "--folds 1: "),
    "models without folds": (["--train", "{traces}", "--test", "{traces}", "--by", "model"], "--folds 0: "),
    "a dump in no folder": (["--train", "{traces}", "--test", "{traces}", "--dump", "no/where"], "--dump no/where: "),
    "no test": (["--train", "{traces}"], "--test"),
    "two files of one name": (["--train", "{traces}", "--test", "{traces}", "{same}"], "called made, too"),
}


@pytest.mark.parametrize(("arguments", "told"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_done_is_told_in_one_line(traces, tmp_path, arguments, told, monkeypatch, capsys):
    places = {name: tmp_path / f"{name}.jsonl" for name in ("broken", "empty")}
    places["broken"].write_text("{")
    places["empty"].write_text("")
    places |= {"traces": traces, "same": trace_file(tmp_path / "made.jsonl", workflow(1))}
    monkeypatch.setattr(sys, "argv", ["paste-mcp", "evaluate", *(each.format(**places) for each in arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert told in lines[-1] and lines[-1].startswith("paste-mcp: ")


@pytest.mark.skipif(not TRACES, reason="PASTE_MCP_TRACES does not name a folder of recorded traces")
@pytest.mark.slow
def test_real_traces_can_be_evaluated(tmp_path):
    files = sorted(Path(TRACES).glob("*.jsonl*"), key=lambda path: path.stat().st_size)
    for path in files[:3]:
        sets = figures("--train", path, "--test", path, "--folds", 5)
        for made in sets.values():
            oracle = made["baselines"]["oracle"]["hits"]
            assert all(each["hits"] <= oracle for each in (made, *made["baselines"].values()))
