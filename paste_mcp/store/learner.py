"""Learning that outlives its session: a foresight whose counts are those kept, and what it has to tell the store.

A forecaster like any other. It knows nothing of files: what was learnt is taken from it, what was kept is given to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.model import Event, Json, Prediction, Tool
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Tools
from paste_mcp.core.prediction.learnt.counts import Group, Item
from paste_mcp.core.prediction.learnt.forecast import Foresight
from paste_mcp.core.prediction.learnt.names import tool_id
from paste_mcp.store.admission import Delta, KeptCounts, Members


class Learner:
    """`changed` is called when there is something for the store."""

    def __init__(self, *, history: bool = False, changed: Callable[[], None] = lambda: None) -> None:
        self.counts = KeptCounts(history=history)
        self._foresight = Foresight(self.counts, online=True)
        self._changed = changed
        self._met: dict[str, str] = {}
        self._new: dict[str, str] = {}

    # --- a forecaster -----------------------------------------------------------------------------------------------

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        return self._foresight.predict(history, tools, index)

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        """Learn from `event`, unless its server is none to speculate on: then nothing of it is to be kept."""
        if (event.call.server, event.call.tool) in tools:
            self._foresight.observe(event, history, tools, index)
            self._changed()

    def guessed(self, prediction: Prediction) -> None:
        self._foresight.guessed(prediction)

    def hit(self, prediction: Prediction) -> None:
        self._foresight.hit(prediction)

    # --- towards the store ------------------------------------------------------------------------------------------

    def meet(self, tools: Iterable[Tool]) -> None:
        """A server listed these tools."""
        for tool in tools:
            unbound, id = tool_id(tool.server, tool.name, None), tool_id(tool.server, tool.name, tool)
            if self._met.get(unbound) != id:
                self._met[unbound] = self._new[unbound] = id
                self.counts.members.update(members_of(tool, id))

    def ended(self, index: ValueIndex) -> None:
        """The session is over: its last turn is whole, too."""
        # With no tools there is nothing to foresee, and only the learning is done.
        self._foresight.predict((), {}, index)

    def take(self) -> Delta:
        """What was learnt since the last time."""
        return self.counts.take()

    def take_new_tools(self) -> dict[str, str]:
        """The tools met since the last time: from their names without a definition to those with one."""
        new, self._new = self._new, {}
        return new

    def put_back(self, delta: Delta) -> None:
        """The store could not take this now."""
        self.counts.put_back(delta)

    def remember(self, kept: Iterable[tuple[Group, Item, float]]) -> None:
        """Count what was learnt before."""
        for group, item, amount in kept:
            self.counts.remember(group, item, amount)


def members_of(tool: Tool, id: str) -> Members:
    """The values that the tool's schema itself lists for its arguments, each as JSON."""
    properties = tool.input_schema.get("properties")
    found: Members = set()
    for argument, schema in properties.items() if isinstance(properties, dict) else ():
        for value in _listed(schema, depth=3):
            try:
                found.add((id, str(argument), canonical(value).decode()))
            except Unkeyable:
                continue
    return found


def _listed(schema: Json, depth: int) -> Iterator[Json]:
    if not isinstance(schema, dict) or depth == 0:
        return
    if isinstance(listed := schema.get("enum"), list):
        yield from listed
    if "const" in schema:
        yield schema["const"]
    if "default" in schema:
        yield schema["default"]
    for name in ("anyOf", "oneOf", "allOf"):
        for inner in branches if isinstance(branches := schema.get(name), list) else ():
            yield from _listed(inner, depth - 1)
