"""What the scheduler's decisions cost while more and more sessions are open, each with a guess that waits for a slot.

Measured is one session's whole share of deciding: a call is asked for - by then a guess that still waits - and
answered, what comes next is weighed and queued, and what may be sent is looked for. Foreseeing is left out: it is the
same however many others there are.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Final

from rich.console import Console
from rich.table import Table

from paste_mcp.core.engine import Engine
from paste_mcp.core.model import Event, Hints, Payload, Prediction, Tool, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Tools
from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.settings import Limits
from paste_mcp.lab.evaluate.play import PREDICTION
from paste_mcp.lab.simulate.agent import NoIndex

SIZES: Final = (1, 10, 100, 1_000, 10_000)
DECISIONS: Final = 300
_CALL_S: Final = 1.0
_THINK_S: Final = 4.0
_SERVER: Final = "s"
_READ: Final = Tool(_SERVER, "read", hints=Hints(read_only=True, open_world=False))


@dataclass(frozen=True, slots=True)
class Row:
    """So many sessions and guesses that wait, and the time that one decision took, in microseconds."""

    sessions: int
    queued: int
    p50_us: float
    p90_us: float


def run(*, to_json: bool, sizes: Sequence[int] = SIZES) -> None:
    """Measure and print; with `to_json` the last line of stdout is for programs."""
    console = Console(stderr=to_json)
    with Console(stderr=True).status("deciding among more and more sessions"):
        rows = [measure(size) for size in sizes]
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for name in ("sessions", "guesses queued", "one decision, us", "p90, us", "of the first"):
        table.add_column(name, justify="right")
    for row in rows:
        ratio = f"{row.p50_us / rows[0].p50_us:.2f}x"
        table.add_row(f"{row.sessions:,}", f"{row.queued:,}", f"{row.p50_us:.0f}", f"{row.p90_us:.0f}", ratio)
    console.print(table)
    if to_json:
        print(json.dumps({"scale": [{name: getattr(row, name) for name in Row.__slots__} for row in rows]}))


def measure(sessions: int, decisions: int = DECISIONS) -> Row:
    """One size: all sessions share a budget whose only slot is taken, and one of them decides again and again."""
    budget = Budget(Limits(total=1))
    engines = [_engine(budget, number) for number in range(sessions)]
    for number, engine in enumerate(engines):
        _decide(engine, _first(number), _CALL_S)
    took = []
    gc.collect()
    gc.disable()
    try:
        for number in range(decisions):
            now = _CALL_S + (_CALL_S + _THINK_S) * (number + 1)
            began = perf_counter_ns()
            _decide(engines[-1], _foreseen(sessions - 1, number), now)
            took.append((perf_counter_ns() - began) / 1000)
    finally:
        gc.enable()
    took.sort()
    waiting = sum(e.ledger.queued - e.ledger.issued - e.ledger.squashed - e.ledger.promoted for e in engines)
    return Row(sessions, waiting, round(took[len(took) // 2], 1), round(took[int(0.9 * len(took))], 1))


def _engine(budget: Budget, number: int) -> Engine:
    engine = Engine(_Likely(number), budget, {_SERVER: PREDICTION.policy})
    engine.values = NoIndex()
    engine.set_tools(_SERVER, [_READ], 0.0)
    return engine


def _decide(engine: Engine, call: ToolCall, now: float) -> None:
    """A call that is answered now, and what follows."""
    demand, _ = engine.demanded(call, now - _CALL_S)
    engine.returned(demand, "ok", now)
    engine.observe(demand, "ok", Payload(text="x"), now)
    engine.think(now)
    engine.launch(now)


def _first(session: int) -> ToolCall:
    return ToolCall(_SERVER, "read", {"session": session})


def _foreseen(session: int, after: int) -> ToolCall:
    return ToolCall(_SERVER, "read", {"session": session, "after": after})


class _Likely:
    """Foresees the call that its session makes next."""

    def __init__(self, number: int) -> None:
        self._number = number

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        return [Prediction(_foreseen(self._number, history[-1].index), 0.9, "likely")]

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        pass

    def guessed(self, prediction: Prediction) -> None:
        pass

    def hit(self, prediction: Prediction) -> None:
        pass
