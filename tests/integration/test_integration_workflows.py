"""The three workflows of the demo, through real servers and the real proxy, as `paste-mcp demo` runs them."""

import json


def test_the_demo_hides_waiting_and_changes_no_result(demo):
    stdout, stderr = demo.communicate(timeout=120)
    assert demo.returncode == 0, stderr
    told = json.loads(stdout.splitlines()[-1])
    assert told.keys() == {"workflows", "latency_s", "think_s"}
    assert (told["latency_s"], told["think_s"]) == (0.2, 0.3)
    counts = ("demand", "hits", "late_hits", "promoted", "misses", "issued", "wasted")
    for row in told["workflows"]:
        assert list(row) == ["name", "without_s", "with_s", "speedup", *counts, "identical"]
        assert row["identical"] is True
        assert row["demand"] == row["hits"] + row["late_hits"] + row["promoted"] + row["misses"]
        assert row["wasted"] == row["issued"] - row["hits"] - row["late_hits"] >= 0
    rows = {row["name"]: row for row in told["workflows"]}
    assert rows.keys() == {"search-then-visit", "locate-then-examine", "edit-then-verify"}
    assert rows["search-then-visit"]["hits"] + rows["search-then-visit"]["late_hits"] > 0
