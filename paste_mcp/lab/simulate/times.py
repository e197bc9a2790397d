"""How long thinking and calls take: stated distributions, or measured seconds, drawn so that they can be drawn again.

Each time belongs to what takes it - this session's n-th call - and not to when it is drawn: whatever is compared has
the same luck (common random numbers).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, Protocol

SIGMA: Final = 0.5
"""Of the lognormal that a bare number stands for."""
FORMS: Final = "a median in seconds, fixed:S, lognormal:MEDIAN,SIGMA, or a file of measured seconds"


class Seconds(Protocol):
    """A distribution of durations."""

    def draw(self, random: Random) -> float:
        """One of them, at least 0."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same."""

    value: float

    def draw(self, random: Random) -> float:
        return self.value


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Mostly near the median, at times much more."""

    median: float
    sigma: float

    def draw(self, random: Random) -> float:
        return self.median * math.exp(self.sigma * random.normalvariate(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Measured:
    """One of these, each as likely as any other."""

    values: tuple[float, ...] = field(repr=False)

    def draw(self, random: Random) -> float:
        return random.choice(self.values)


def seconds(text: str) -> Seconds:
    """Read a distribution: `FORMS` says how it may be written. Raises ValueError with one line."""
    try:
        return Lognormal(_duration(text), SIGMA)
    except ValueError:
        pass
    kind, colon, rest = text.partition(":")
    try:
        if colon and kind == "fixed":
            return Fixed(_duration(rest))
        if colon and kind == "lognormal":
            median, sigma = rest.split(",")
            return Lognormal(_duration(median), _duration(sigma))
    except ValueError:
        raise ValueError(f"{text}: not a time; give {FORMS}") from None
    return _measured(Path(text))


def _measured(path: Path) -> Measured:
    """The seconds in a file: a JSON list, or one to a line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"{path}: no file that can be read; give {FORMS}") from None
    try:
        values = json.loads(text) if text.lstrip().startswith("[") else text.split()
        return Measured(_some([_duration(str(value)) for value in values]))
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: holds no list of seconds; one to a line, or a JSON list") from None


def _some(values: Sequence[float]) -> tuple[float, ...]:
    if not values:
        raise ValueError
    return tuple(values)


def _duration(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(text)
    return value


@dataclass(frozen=True, slots=True)
class Times:
    """All durations of a simulation, told apart by what they belong to. `seed` may hold anything."""

    seed: str
    think: Seconds
    latency: Seconds
    start: Seconds = Fixed(0.0)

    def think_s(self, session: str, turn: int) -> float:
        """How long the model thinks before this turn's calls."""
        return self._draw(self.think, "think", session, turn)

    def latency_s(self, session: str, call: int | str) -> float:
        """How long the server works on a call: one of the trace by its position, another by its key."""
        return self._draw(self.latency, "latency", session, call)

    def start_s(self, session: str, server: str) -> float:
        """How long it takes until a server that this session has not used yet can be called."""
        return self._draw(self.start, "start", session, server)

    def _draw(self, of: Seconds, kind: str, session: str, what: int | str) -> float:
        # Seeded by text, which Python's generator hashes the same in every process.
        return of.draw(Random(f"{self.seed}|{kind}|{session}|{what}"))  # noqa: S311 - chance, not secrets
