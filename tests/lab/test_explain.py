"""`paste-mcp explain` over made up sessions: what was foreseen and why, what was not and what it lacked."""

import json

import anyio
import pytest
from typer.testing import CliRunner

from paste_mcp.cli import app
from paste_mcp.core.engine import Engine
from paste_mcp.core.model import Hints, Tool, ToolCall
from paste_mcp.core.patterns.extract import payload_of, status_of
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction.predictor import Predictor
from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.settings import Limits, ServerPolicy
from paste_mcp.proxy.recorder import Recorder

MINE = """\
version: 1
patterns:
  - name: mine
    context: [{tool: search_orders}]
    target: {tool: get_order}
    arguments: {order_id: {result: -1, path: "$.orders[*].id"}}
    probability: 0.9
"""
TOOLS = ("search_orders", "get_order", "open_log", "read_log", "note", "cancel_order")


def session(seed):
    """Orders are searched for and looked at one by one; a log is opened; something is written."""
    ids = [f"W-{seed}{letter}" for letter in "abc"]
    calls = [("search_orders", {"customer": f"c-{seed}"}, {"orders": [{"id": id} for id in ids]}, True)]
    calls += [("get_order", {"order_id": id}, {"id": id, "state": "open"}, True) for id in ids]
    calls += [
        ("open_log", {"level": 3}, f"the log of {seed} is at log-{seed}, somewhere", True),
        ("read_log", {"name": f"log-{seed}"}, "nothing", True),
        ("read_log", {"name": f"other-{seed * 7}"}, "nothing", True),
        ("cancel_order", {"order_id": ids[0]}, "done", False),
        ("get_order", {"order_id": ids[0]}, {"id": ids[0], "state": "cancelled"}, True),
    ]
    return calls


def trace_of(*seeds):
    lines = []
    for seed in seeds:
        calls = [
            {"server": "shop", "tool": tool, "arguments": arguments, "turn": turn, "read_only": reads,
             "result": result if isinstance(result, str) else json.dumps(result)}
            for turn, (tool, arguments, result, reads) in enumerate(session(seed))
        ]  # fmt: skip
        lines.append(json.dumps({"session": f"s-{seed}", "task": f"t-{seed}", "calls": calls}))
    return "\n".join(lines) + "\n"


def run(state, *arguments, code=0):
    done = CliRunner().invoke(app, list(map(str, arguments)), env={"PASTE_MCP_STATE_DIR": str(state), "COLUMNS": "200"})
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """What a user has learnt from some sessions."""
    folder = tmp_path_factory.mktemp("learnt")
    (folder / "past.jsonl").write_text(trace_of(*range(10, 18)))
    run(folder / "state", "mine", folder / "past.jsonl")
    return folder / "state"


@pytest.fixture(scope="module")
def told(state, tmp_path_factory):
    """Each call of a session that was not learnt from, as `explain --json` tells it."""
    trace = tmp_path_factory.mktemp("new") / "new.jsonl"
    trace.write_text(trace_of(3))
    (one,) = json.loads(run(state, "explain", trace, "--json").stdout.splitlines()[-1])["sessions"]
    return one["calls"]


def test_each_call_has_its_verdict(told):
    assert [call["verdict"] for call in told] == [
        "first", "foreseen", "foreseen", "foreseen", "foreseen", "value in text", "value nowhere", "not read-only",
        "foreseen",
    ]  # fmt: skip


def test_a_call_that_was_foreseen_is_told_by_what_how_surely_and_where_its_values_came_from(told):
    call = told[1]
    assert call["pattern"] == "learnt:shop/search_orders > shop/get_order"
    assert (call["rank"], call["turns_before"]) == (1, 1) and 0 < call["probability"] < 1
    (argument,) = call["arguments"]
    assert argument == {
        "name": "order_id",
        "value": "W-3a",
        "origin": "$.orders[*].id in the result of call 0 (search_orders), 1 of 3",
        "in_text": None,
    }
    assert told[3]["arguments"][0]["origin"].endswith(", 3 of 3")


def test_a_value_that_nobody_could_know_is_named(told):
    assert told[5]["arguments"][0]["in_text"] == "somewhere in the text of call 4 (open_log)"
    assert (told[6]["arguments"][0]["origin"], told[6]["arguments"][0]["in_text"]) == (None, None)


def test_what_the_policy_says_is_told_with_its_row(told):
    assert (told[7]["may_run_early"], told[7]["row"]) == (False, "write")
    assert told[1]["may_run_early"]


def test_one_call_is_told_to_people_in_sentences(state, tmp_path):
    (tmp_path / "new.jsonl").write_text(trace_of(3))
    said = run(state, "explain", tmp_path / "new.jsonl", "--call", 2).stdout
    assert "foreseen" in said and "by learnt:shop/get_order > shop/get_order: probability" in said
    assert 'order_id = "W-3b": $.orders[*].id in the result of call 0 (search_orders), 2 of 3' in said
    assert "after get_order (ok), get_order came 16 of " in said
    assert "may run early: by its hints" in said


def test_people_see_a_table_and_the_sums(state, tmp_path):
    (tmp_path / "new.jsonl").write_text(trace_of(3, 4))
    said = run(state, "explain", tmp_path / "new.jsonl", "--session", "s-4").stdout
    assert "s-4  9 calls" in said and "s-3" not in said
    assert "1 first; 5 foreseen; 1 not read-only; 1 value nowhere; 1 value in text" in said


def test_what_the_user_turned_off_foresees_nothing(state, tmp_path):
    (tmp_path / "new.jsonl").write_text(trace_of(3))
    (tmp_path / "p.yaml").write_text(
        "version: 1\npatterns:\n- {name: 'learnt:shop/search_orders > shop/get_order', enabled: false}\n"
    )
    done = run(state, "explain", tmp_path / "new.jsonl", "--patterns", tmp_path / "p.yaml", "--json")
    calls = json.loads(done.stdout.splitlines()[-1])["sessions"][0]["calls"]
    assert calls[1]["pattern"] != "learnt:shop/search_orders > shop/get_order"
    assert calls[2]["verdict"] == "foreseen"


def test_a_pattern_of_the_users_is_told_by_its_name(tmp_path):
    (tmp_path / "new.jsonl").write_text(trace_of(3))
    (tmp_path / "p.yaml").write_text(MINE)
    done = run(tmp_path, "explain", tmp_path / "new.jsonl", "--patterns", tmp_path / "p.yaml", "--json")
    call = json.loads(done.stdout.splitlines()[-1])["sessions"][0]["calls"][1]
    assert (call["verdict"], call["pattern"], call["probability"]) == ("foreseen", "mine", 0.9)


@pytest.mark.parametrize(("reads", "verdict", "turns_before"), [(True, "foreseen", 2), (False, "other tools", None)])
def test_a_guess_is_good_for_some_turns_but_not_beyond_a_write(tmp_path, reads, verdict, turns_before):
    (tmp_path / "p.yaml").write_text(MINE)
    made = [("search_orders", {}, '{"orders": [{"id": "W-1"}]}', True), ("note", {}, "done", reads),
            ("get_order", {"order_id": "W-1"}, "open", True)]  # fmt: skip
    calls = [
        {"server": "shop", "tool": tool, "arguments": arguments, "result": result, "read_only": reads}
        for tool, arguments, result, reads in made
    ]
    (tmp_path / "new.jsonl").write_text(json.dumps({"session": "s", "calls": calls}) + "\n")
    done = run(tmp_path, "explain", tmp_path / "new.jsonl", "--patterns", tmp_path / "p.yaml", "--json")
    call = json.loads(done.stdout.splitlines()[-1])["sessions"][0]["calls"][2]
    assert (call["verdict"], call["turns_before"]) == (verdict, turns_before)


def test_the_configuration_decides_what_may_run_early(state, tmp_path):
    (tmp_path / "new.jsonl").write_text(trace_of(3))
    (tmp_path / "c.json").write_text(
        json.dumps({"mcpServers": {"shop": {"command": "x", "speculation": {"mode": "annotated", "deny": ["get_*"]}}}})
    )
    done = run(state, "explain", tmp_path / "new.jsonl", "--config", tmp_path / "c.json", "--json")
    call = json.loads(done.stdout.splitlines()[-1])["sessions"][0]["calls"][1]
    assert (call["verdict"], call["row"]) == ("held back", "denied")


# --- our own records --------------------------------------------------------------------------------------------------


def recorded(folder, mode, seed):
    """The session as the proxy records it."""
    return anyio.run(_recorded, folder, mode, seed)


async def _recorded(folder, mode, seed):
    engine = Engine(Predictor(Pool()), Budget(Limits()), {"shop": ServerPolicy("annotated", closed_world=True)})
    hints = {tool: Hints(read_only=tool != "cancel_order", open_world=False) for tool in TOOLS}
    engine.set_tools("shop", [Tool("shop", tool, hints[tool]) for tool in TOOLS], 0.0)
    recorder = Recorder(folder, mode, f"r{seed}")
    for now, (tool, arguments, result, _) in enumerate(session(seed)):
        text = result if isinstance(result, str) else json.dumps(result)
        raw = {"content": [{"type": "text", "text": text}]}
        demand, _ = engine.demanded(ToolCall("shop", tool, arguments), float(now))
        engine.returned(demand, status_of(raw), float(now))
        recorder.call(demand, "miss", status_of(raw), payload_of(raw), raw, float(now), engine.values)
        engine.observe(demand, status_of(raw), payload_of(raw), float(now))
    recorder.close(engine.ledger)
    return folder / f"r{seed}.jsonl"


def test_a_full_record_is_explained_as_the_session_was(state, told, tmp_path):
    record = recorded(tmp_path / "sessions", "full", 3)
    (one,) = json.loads(run(state, "explain", record, "--json").stdout.splitlines()[-1])["sessions"]
    assert one["values"]
    assert [(call["verdict"], call["arguments"]) for call in one["calls"][:4]] == [
        (call["verdict"], call["arguments"]) for call in told[:4]
    ]


def test_a_record_without_values_says_what_it_can_and_shows_none(state, tmp_path):
    record = recorded(tmp_path / "sessions", "derivations", 3)
    (one,) = json.loads(run(state, "explain", record, "--json").stdout.splitlines()[-1])["sessions"]
    assert not one["values"]
    assert [call["verdict"] for call in one["calls"][1:4]] == ["foreseen"] * 3
    assert one["calls"][2]["arguments"][0]["origin"].startswith("$.orders[*].id in the result of call 0")
    said = run(state, "explain", record, "--call", 2).stdout
    assert "order_id = (not kept)" in said and "keeps no values" in said
    assert "W-3" not in said and "W-3" not in json.dumps(one)


# --- what cannot be used ----------------------------------------------------------------------------------------------


def test_what_cannot_be_explained_is_one_line(state, tmp_path):
    trace = tmp_path / "new.jsonl"
    trace.write_text(trace_of(3))
    (tmp_path / "no.txt").write_text("hello\n")
    for arguments, names in (
        ((tmp_path / "missing.jsonl",), ("missing.jsonl",)),
        ((tmp_path / "no.txt",), ("no.txt", "known format")),
        ((trace, "--session", "zzz"), ('"zzz"', "--session")),
        ((trace, "--call", "99"), ("--call 99", "0 to 8")),
    ):
        done = run(state, "explain", *arguments, code=2)
        assert done.stdout == "" and done.stderr.startswith("paste-mcp: ") and done.stderr.count("\n") == 1
        assert all(name in done.stderr for name in names)
