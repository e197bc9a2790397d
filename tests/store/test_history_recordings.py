"""Our own records, read: whole ones as they were, the others with stand-ins where the values were."""

import hashlib
import hmac
import json

import pytest
from history_samples import write_lines

from paste_mcp.core.commands import Demand, Miss
from paste_mcp.core.keys import call_key
from paste_mcp.core.model import Event, Payload, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex, payload_of
from paste_mcp.core.speculation.ledger import Ledger
from paste_mcp.proxy import clock
from paste_mcp.proxy.recorder import Recorder
from paste_mcp.store.history.logs import Log
from paste_mcp.store.history.skeleton import MAX_FILLED, Digests, skeleton


@pytest.fixture(autouse=True)
def fixed_clock(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: 100.0)
    monkeypatch.setattr(clock, "wall", lambda: 20_600 * 86_400.0)


def record(folder, mode, *calls):
    """A session of (tool, arguments, raw result), recorded. Returns its log."""
    recorder, values = Recorder(folder, mode, "abc"), ValueIndex()
    for n, (tool, arguments, result) in enumerate(calls):
        call, payload = ToolCall("s", tool, arguments), payload_of(result)
        demand = Demand(call, call_key(call, "d" * 64), n, 90.0, True, Miss())
        recorder.call(demand, "miss", "ok", payload, result, 95.0, values)
        values.add(Event(n, n, call, "ok", payload, 95.0))
    recorder.close(Ledger())
    return Log(folder / "abc.jsonl")


def text(text):
    return {"content": [{"type": "text", "text": text}]}


def structured(document):
    return {"content": [], "structuredContent": document}


SESSION = [
    ("find", {"query": "tea", "limit": 3}, structured({"hits": [{"id": f"doc-{n}", "n": n} for n in range(5)]})),
    ("open", {"id": "doc-3", "deep": True}, text("see https://x.example/a\nand https://x.example/b for more")),
    ("visit", {"url": "https://x.example/b"}, text("commit 12ab34cd56ef7890\ncommit 99ab34cd56ef7890\nthe third line")),
    ("show", {"commit": "99ab34cd56ef7890", "paths": ["doc-0"]}, text("[1, 2]")),
    ("note", {"text": "the third line", "of": {"id": "doc-4"}, "page": 2}, {"content": []}),
]


def test_a_whole_record_is_read_as_it_was(tmp_path):
    (past,) = record(tmp_path, "full", *SESSION).read()
    assert [dict(call.arguments) for call in past.session.calls] == [arguments for _, arguments, _ in SESSION]
    assert [call.result for call in past.session.calls] == [payload_of(result) for _, _, result in SESSION]
    assert past.values
    assert past.definitions == {("s", tool): "d" * 64 for tool, _, _ in SESSION}
    assert (past.key, past.day) == ("paste-mcp:abc", 20_599)


def test_stand_ins_are_found_where_the_values_were(tmp_path):
    log = record(tmp_path, "derivations", *SESSION)
    (past,) = log.read()
    assert not past.values
    lines = [line for line in map(json.loads, log.path.read_text().splitlines()) if "derivations" in line]
    values = ValueIndex()
    checked = 0
    for n, (line, call) in enumerate(zip(lines, past.session.calls, strict=False)):
        for path, derivation in line["derivations"].items():
            value = call.arguments
            for step in path.replace("[0]", ".0").split("."):
                value = value[int(step) if step.isdecimal() else step]
            found = [(place.event, place.source, list(place.steps)) for place in values.places(value)]
            for origin in derivation["from"]:
                assert (origin["call"], origin["in"], origin["steps"]) in found, path
                checked += 1
        values.add(Event(n, n, ToolCall("s", call.tool, call.arguments), "ok", call.result, 0.0))
    assert checked >= 6


def test_booleans_and_small_numbers_are_told_by_the_installations_key_and_texts_are_not(tmp_path):
    (past,) = record(tmp_path, "derivations", *SESSION).read()
    assert past.session.calls[0].arguments["limit"] == 3
    assert past.session.calls[1].arguments["deep"] is True
    assert past.session.calls[4].arguments["page"] == 2
    everything = str(past)
    assert not [value for value in ("tea", "doc-", "x.example", "12ab34cd", "third") if value in everything]
    (tmp_path / "key").unlink()
    (past,) = Log(tmp_path / "abc.jsonl").read()
    assert isinstance(past.session.calls[0].arguments["limit"], str)


def derived(n, arguments, *, tool="t"):
    derivations = {
        path: {"digest": hashlib.sha256(path.encode()).hexdigest()[:16], "from": origins}
        for path, origins in arguments.items()
    }
    return {
        "session": "abc",
        "n": n,
        "turn": n,
        "server": "s",
        "tool": tool,
        "status": "ok",
        "derivations": derivations,
    }


def test_a_list_is_filled_up_to_the_rank_that_was_taken():
    origin = {"call": 0, "in": "document", "steps": ["hits", 3, "id"]}
    other = {"call": 0, "in": "document", "steps": ["hits", 1, "name"]}
    calls = [derived(0, {}), derived(1, {"a": [origin], "b": [other]})]
    (_, result), (arguments, _) = skeleton(calls, Digests())
    hits = result["structuredContent"]["hits"]
    assert len(hits) == 4
    assert all(hit.keys() == {"id", "name"} for hit in hits)
    assert (hits[3]["id"], hits[1]["name"]) == (arguments["a"], arguments["b"])
    assert len({hit["id"] for hit in hits} | {hit["name"] for hit in hits}) == 8


def test_places_of_the_wrong_build_cost_little():
    deep = [{"call": 0, "in": "document", "steps": [400] * depth} for depth in range(1, 13)]
    odd = [
        {"call": 0, "in": "document", "steps": ["*", 0]},
        {"call": 0, "in": "document", "steps": [10**9]},
        {"call": 7, "in": "document", "steps": [0]},
        {"call": 0, "in": "nowhere", "steps": [0]},
        {"call": 0, "in": "line", "steps": ["x"]},
        {"in": "document"},
        "odd",
    ]
    calls = [derived(0, {}), derived(1, {"a": deep, "b": odd, "*": deep, "c[0].d": [], "c": [], "": []})]
    (_, result), _ = skeleton(calls, Digests())
    assert len(json.dumps(result)) < 40 * (MAX_FILLED + 12 * 401)


def test_digests_are_read_with_the_key_beside_the_record(tmp_path):
    (tmp_path / "key").write_bytes(b"k" * 32)
    digests = Digests.beside(tmp_path / "abc.jsonl")
    of_twenty = hmac.new(b"k" * 32, b"20", hashlib.sha256).hexdigest()[:16]
    assert digests.value(of_twenty) == (True, 20)
    assert digests.value("0" * 16) == (False, None)


def test_a_record_with_odd_lines_is_read_as_far_as_it_goes(tmp_path):
    odd = [{"session": "abc", "derivations": 7, "tool": "t", "n": 0}, {"session": "abc", "tool": "t"}, derived(1, {})]
    odd += [{"session": "abc", "n": 2, "tool": "t", "server": 7, "derivations": {"a": 7}, "status": "odd", "turn": "x"}]
    (past,) = Log(write_lines(tmp_path / "abc.jsonl", odd)).read()
    assert [call.status for call in past.session.calls] == ["ok", "ok", "ok"]
    assert past.session.calls[0].result == Payload()
