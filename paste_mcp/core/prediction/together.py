"""Written patterns and learnt counts, foreseeing together.

Each call is foreseen once, by whoever is surer of it, but for the user's own patterns, which win. What was learnt is
held to account like a pattern: repeated disappointments lower what it says, hits raise it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from paste_mcp.core.keys import CallKey, Unkeyable, call_key
from paste_mcp.core.model import Event, Prediction
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.evidence import Evidence
from paste_mcp.core.prediction.forecaster import Forecaster, Tools

MAX_PREDICTIONS: Final = 16


class Together:
    """A forecaster made of two. `silenced` are the names of what the user turned off."""

    def __init__(self, written: Forecaster, learnt: Forecaster, silenced: Collection[str] = ()) -> None:
        self._written = written
        self._learnt = learnt
        self._silenced = frozenset(silenced)
        self._evidence = Evidence()

    def silence(self, names: Collection[str]) -> None:
        """What the user has turned off by now."""
        self._silenced = frozenset(names)

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        """The calls that may come next, best first; equal calls once."""
        best: dict[CallKey, Prediction] = {}
        for prediction in self._written.predict(history, tools, index):
            _keep_better(best, prediction)
        for prediction in self._learnt.predict(history, tools, index):
            if prediction.pattern not in self._silenced:
                corrected = self._evidence.probability(prediction.pattern, prediction.probability)
                _keep_better(best, replace(prediction, probability=corrected))
        ranked = sorted(best.items(), key=lambda item: (-item[1].probability, not item[1].users_own, item[0]))
        return [prediction for _, prediction in ranked[:MAX_PREDICTIONS]]

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        """Both see what happens."""
        self._written.observe(event, history, tools, index)
        self._learnt.observe(event, history, tools, index)

    def guessed(self, prediction: Prediction) -> None:
        """Blame whoever foresaw it."""
        if prediction.features:
            self._evidence.guessed(prediction.pattern, prediction.probability)
            self._learnt.guessed(prediction)
        else:
            self._written.guessed(prediction)

    def hit(self, prediction: Prediction) -> None:
        """Credit whoever foresaw it."""
        if prediction.features:
            self._evidence.hit(prediction.pattern)
            self._learnt.hit(prediction)
        else:
            self._written.hit(prediction)


def _keep_better(best: dict[CallKey, Prediction], prediction: Prediction) -> None:
    try:
        key = call_key(prediction.call, "")
    except Unkeyable:
        return
    held = best.get(key)
    if held is None or (prediction.users_own, prediction.probability) > (held.users_own, held.probability):
        best[key] = prediction
