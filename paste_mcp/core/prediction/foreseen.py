"""Which calls of one session are foreseen, for credit and blame: a guess counts once, sent or not."""

from __future__ import annotations

from typing import Final

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Prediction
from paste_mcp.core.prediction.forecaster import Forecaster

MAX_FORESEEN: Final = 64
"""Calls that may be due at once; the oldest is forgotten first."""


class Foreseen:
    """The calls that are due, until they are made."""

    def __init__(self, forecaster: Forecaster) -> None:
        self._forecaster = forecaster
        self._due: dict[CallKey, Prediction] = {}

    def add(self, key: CallKey, prediction: Prediction) -> None:
        """This call is foreseen."""
        if key in self._due:
            return
        if len(self._due) >= MAX_FORESEEN:
            del self._due[next(iter(self._due))]
        self._due[key] = prediction
        self._forecaster.guessed(prediction)

    def made(self, key: CallKey) -> None:
        """The agent makes this call."""
        if (foreseen := self._due.pop(key, None)) is not None:
            self._forecaster.hit(foreseen)
