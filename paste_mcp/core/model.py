"""The words of the core: what a call, an event, a tool and a prediction are. Frozen data, no behaviour beyond reading.

This module knows nothing of patterns, policies or budgets, and imports nothing of the project. Times are seconds on
one monotonic clock that the caller reads; JSON values are the plain Python ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any
"""A JSON value: dict, list, str, int, float, bool or None."""

Status: TypeAlias = Literal["ok", "error", "empty"]
"""How a call ended: with content, with an error of any kind, or successfully with nothing in it."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call: the config's alias of the server, the server's own tool name, and the arguments."""

    server: str
    tool: str
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Hints:
    """A tool's annotations as they came over the wire. None where absent or not a boolean.

    They are words of a stranger: the policy decides what they are worth (MCP spec, ToolAnnotations).
    """

    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


Kind: TypeAlias = Literal["read", "write", "depends", "volatile", "consuming", "session-creating", "secret"]
"""What a tool was found to be: a read; a write; either, by its arguments; a read whose answer changes by itself; one
that uses up what it reads; one that leaves something open behind it; one whose answer is secret.
"""


@dataclass(frozen=True, slots=True)
class Review:
    """What a catalogue that people keep says of a tool, whatever the tool says of itself.

    It narrows wherever the server looks like the one that was reviewed. `sure` says more: the user's own launch command
    names that package, the server calls itself by its name, and the tool takes what it took when it was reviewed.
    """

    kind: Kind
    metered: bool = False
    closed_world: bool = False
    sure: bool = False

    @property
    def vouches(self) -> bool:
        """The tool is what was reviewed, and that was a read."""
        return self.sure and self.kind == "read"


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool of one server as it defines itself now."""

    server: str
    name: str
    hints: Hints = Hints()
    input_schema: Mapping[str, Json] = field(default_factory=dict)
    definition: str = ""
    """Digest of the whole definition; a change means that what was learnt no longer holds."""
    review: Review | None = None
    """What is known of the tool from elsewhere; None where nothing is."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What a mapping may read of a result: `structuredContent`, and the joined text blocks.

    `document` is what JSONPaths walk: the structured content, else the text parsed as JSON, else None.
    `cut` says that the text was longer than the limit and is only its beginning.
    """

    document: Json | None = None
    text: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A demand call that has returned. `index` counts a session's events from 0; side-by-side calls share a `turn`."""

    index: int
    turn: int
    call: ToolCall
    status: Status
    payload: Payload
    ended: float


@dataclass(frozen=True, slots=True)
class Ingredient:
    """Where a piece of a predicted argument came from.

    - `const`: the pattern itself wrote it, or the tool's schema.
    - `learnt`: a text that calls of earlier sessions sent.
    - `argument`: sent to `server` in the demand call of event `event`.
    - `result`: returned by `server` in event `event`.
    """

    kind: Literal["const", "learnt", "argument", "result"]
    server: str | None = None
    event: int | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """A call that may come next, whole, and how sure the predictor is.

    `probability` is that of an exact hit: this tool with exactly these arguments. `composed` says that a value was
    put together (joined, counted on, templated, extracted from text) rather than copied whole. `flow` is set where
    the pattern names both ends of a cross-server flow: (source alias, target alias).
    """

    call: ToolCall
    probability: float
    pattern: str
    ingredients: tuple[Ingredient, ...] = ()
    composed: bool = False
    flows: frozenset[tuple[str, str]] = frozenset()
    users_own: bool = False
    """The pattern was written by this user, not shipped or learnt."""
    features: tuple[float, ...] = ()
    """What a learnt probability was computed from, so that it can be calibrated against what came."""
