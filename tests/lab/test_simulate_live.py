"""`paste-mcp bench live`: the real proxy, the official client and replayed servers against the simulation."""

import json
import subprocess
import sys

import pytest
from evaluate_makers import read, session, trace_file, write

from paste_mcp.lab.simulate.live import Result, launch_cost_s
from paste_mcp.lab.simulate.live_session import alias_of


def result(policy, **more):
    zeros = dict.fromkeys(Result.__slots__, 0) | {"policy": policy, "cpu_s": 0.5}
    return Result(**(zeros | more))


def test_a_launch_costs_what_the_wrong_proxy_needs_more_than_the_silent_one():
    results = [result("none"), result("all-wrong", cpu_s=0.7, issued=100)]
    assert launch_cost_s(results) == 0.002
    assert launch_cost_s([result("none"), result("all-wrong", cpu_s=None, issued=100)]) is None
    assert launch_cost_s([result("none"), result("all-wrong")]) is None, "nothing was launched"


def test_the_simulation_is_off_by_the_share_that_it_says():
    assert result("none", e2e_s=10.0, simulated_e2e_s=9.0).off == pytest.approx(-0.1)


def test_servers_without_a_name_or_with_an_odd_one_get_one():
    assert (alias_of(""), alias_of("a b/c"), alias_of("pdf-tools")) == ("server", "a-b-c", "pdf-tools")


@pytest.mark.slow
def test_a_session_is_held_live_and_takes_as_long_as_simulated(tmp_path):
    sessions = [
        session(read(n), read(n + 1), write(), [read(n), read(n + 2)], id=f"run {n}", task=f"task {n}")
        for n in range(0, 100, 10)
    ]
    trace = trace_file(tmp_path / "made.jsonl", *sessions)
    command = [sys.executable, "-m", "paste_mcp", "bench", "live", "--trace", str(trace), "--most", "1", "--json"]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    made = json.loads(run.stdout)
    runs = {each["policy"]: each for each in made["runs"]}
    assert list(runs) == ["none", "ours", "oracle", "all-wrong"] and made["within_10_pct"]
    assert runs["none"]["issued"] == 0
    assert runs["oracle"]["hits"] + runs["oracle"]["late_hits"] == 3 and runs["oracle"]["wasted"] == 0
    assert runs["oracle"]["e2e_s"] < runs["none"]["e2e_s"]
    assert runs["all-wrong"]["hits"] == 0 < runs["all-wrong"]["issued"]
    assert made["launch_cost_s"] < 0.1
