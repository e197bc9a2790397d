"""A decision looks up and does not scan: with very many patterns and a very long session it takes hardly longer."""

import json
import random
from statistics import median
from time import thread_time_ns

import pytest

from paste_mcp.core.engine import MAX_EVENTS
from paste_mcp.core.model import Event, Hints, Tool, ToolCall
from paste_mcp.core.patterns.elements import Element
from paste_mcp.core.patterns.extract import ValueIndex, payload_of
from paste_mcp.core.patterns.globs import compile_glob
from paste_mcp.core.patterns.language import Pattern, Target
from paste_mcp.core.patterns.paths import compile_path
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.patterns.sources import ByPath, Next
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.forecast import Foresight
from paste_mcp.core.prediction.learnt.names import tool_id
from paste_mcp.core.prediction.learnt.origins import Origin
from paste_mcp.core.prediction.learnt.sights import ColumnId
from paste_mcp.core.prediction.predictor import Predictor
from paste_mcp.core.prediction.together import Together

PATTERNS = 100_000
CALLS = 2_000
OF_SERVER = 40
"""Tools of one server."""
USED = 20
"""Tools of one session."""
ID = compile_path("$.items[*].id")


def all_tools(count):
    keys = [(f"s{n // OF_SERVER}", f"get_thing_{n}") for n in range(count)]
    schema = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    return {key: Tool(*key, Hints(read_only=True), schema, f"{n:012x}") for n, key in enumerate(keys)}


def neighbours(tools, count):
    """(tool, tool of the same server) `count` times."""
    keys = list(tools)
    for n in range(count):
        at = n % len(keys)
        yield keys[at], keys[at // OF_SERVER * OF_SERVER + n // len(keys) * 7 % OF_SERVER]


def written(tools, count, draw):
    """Half of them the user's own, one in a hundred with a glob, most with a longer context."""
    patterns = []
    keys = list(tools)
    for n, ((server, tool), (_, target)) in enumerate(neighbours(tools, count)):
        last = Element(compile_glob(server), compile_glob("get_*" if n % 100 == 0 else tool))
        before = Element(*map(compile_glob, draw.choice(keys)), "any")
        patterns.append(
            Pattern(
                name=f"p{n}",
                context=(before, last) if n % 3 else (last,),
                target=Target(None, target),
                arguments=(("id", Next(ByPath(-1, (ID,)))),),
                pick=((1, 0.5), (2, 0.2)),
                probability=draw.random() ** 2,
                users_own=bool(n % 2),
            )
        )
    return Pool(patterns)


def learnt(tools, count, draw):
    counts = Counts()
    for one, other in neighbours(tools, count):
        last, target = tool_id(*one, tools[one]), tool_id(*other, tools[other])
        for context in (("follow", last, "ok"), ("follow",)):
            counts.add(context, "")
            counts.add(context, target, draw.random())
        counts.add(("form", target), ("id",))
        counts.add(("fresh", target, "id"), "str")
        counts.add(("present", target, "id"), (last, True))
        counts.add(("link", target, "id"), (Origin("copy", ColumnId(last, "$.items[*].id")), True), draw.random())
    return Foresight(counts, online=True)


class Session:
    """Feeds one forecaster, and notes what its decisions cost."""

    def __init__(self, patterns):
        draw = random.Random(patterns)
        self.tools = all_tools(patterns // 50)
        self.forecaster = Together(Predictor(written(self.tools, patterns, draw)), learnt(self.tools, patterns, draw))
        self.history, self.index, self.decisions = [], ValueIndex(), []

    def call(self, n):
        key = list(self.tools)[:USED][n * (1 if n % 3 else 7) % USED]
        items = [{"id": f"id-{n}-{k}", "name": f"name {k} of {n}"} for k in range(30)]
        payload = payload_of({"content": [{"type": "text", "text": json.dumps({"items": items})}]})
        event = Event(n, n, ToolCall(*key, {"id": f"id-{n - 1}-{n % 5}"}), "ok", payload, float(n))
        self.forecaster.observe(event, self.history, self.tools, self.index)
        self.history.append(event)
        del self.history[:-MAX_EVENTS]
        self.index.add(event)
        began = thread_time_ns()
        found = self.forecaster.predict(self.history, self.tools, self.index)
        self.decisions.append((thread_time_ns() - began) / 1e6)
        for prediction in found[:3]:
            self.forecaster.guessed(prediction)
        return found


@pytest.mark.slow
def test_a_hundred_thousand_patterns_and_two_thousand_calls_cost_a_decision_little(record_property):
    small, large = Session(PATTERNS // 50), Session(PATTERNS)
    for n in range(CALLS):
        found = [session.call(n) for session in (small, large)]
    assert all(found)
    ordered = sorted(large.decisions)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(0.99 * len(ordered))]
    record_property("decision_ms", (p50, p99))
    print(f"decision with {PATTERNS:,} patterns in a session of {CALLS:,} calls: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    assert p50 < 4 * median(small.decisions), "more patterns, fifty times as many, make decisions slow"
    assert median(large.decisions[-300:]) < 3 * median(large.decisions[100:400]), (
        "a longer session makes decisions slow"
    )
