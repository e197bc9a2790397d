"""What value an argument will have: the session's values, each with the probability that learnt counts give it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias, cast

from paste_mcp.core.keys import parse_strict
from paste_mcp.core.model import Json
from paste_mcp.core.prediction.learnt.counts import Counts, Group, Item
from paste_mcp.core.prediction.learnt.lessons import MOST, RANKS, SIZES, WIDTHS, bucket, shape_of
from paste_mcp.core.prediction.learnt.memory import Memory
from paste_mcp.core.prediction.learnt.names import tool_of
from paste_mcp.core.prediction.learnt.origins import RECENT_SIGHTS, Kind, Ordered, Origin, ordered
from paste_mcp.core.prediction.learnt.sights import ColumnId
from paste_mcp.core.prediction.learnt.zero_shot import columns_for

MAX_LINKS: Final = 5
MAX_KNOWN: Final = 20
"""Origins of one argument that are considered, the most frequent ones."""
MAX_VALUES: Final = 6
MAX_OFFERED: Final = 6
MAX_STANDS: Final = 4
"""Places of one value that are held against those of other arguments' values."""
MAX_CONSTANTS: Final = 4
MAX_OFFERS: Final = 4_000
"""Offers of columns to arguments that a session keeps ready."""
MAX_SLOTS: Final = 12
"""Arguments that one prediction looks values up for, those of the likeliest tools first."""
FURTHER: Final = 12
"""Ranks that share the probability of what comes after the last bucket of `RANKS`."""
PLAIN: Final = {0: 0.5, 1: 0.15, 2: 0.1, 3: 0.1, 4: 0.05, -1: 0.1}
PLAIN_OF_ONE: Final = {0: 0.8, -1: 0.2}
"""P(bucket of ranks) before anything was seen; in a column with one unused value at most."""
FEW: Final = 4.0
"""Below so many observations of an argument, the names of columns count, too."""


Row: TypeAlias = tuple[Ordered, Json, float, float]
"""An offered value, as it would be sent, P(its rank), and how usual its shape is for the argument."""
Offer: TypeAlias = tuple[list[Row], float, float]
"""The rows of a column, how usual their shapes are on average, and the most usual one."""


class Stand(NamedTuple):
    """Where a value stood: the event, its list positions, the list in the result, and P(the origin gives the value)."""

    event: int
    row: tuple[int, ...]
    table: str
    tool: str
    link: float


class Candidate(NamedTuple):
    """A value for one argument. `link` is the probability of its origin, `probability` that of the value."""

    value: Json
    probability: float
    link: float
    kind: str
    event: int = -1
    stands: tuple[Stand, ...] = ()
    """All places of columns that could give it, the likeliest first."""
    support: float = 0.0
    columns: tuple[ColumnId, ...] = ()
    fit: float = 0.5
    """How usual values of this shape are for the argument."""


class Learnt:
    """Counts of all sessions and of this one, read together."""

    def __init__(self, everyone: Counts, memory: Memory) -> None:
        self._everyone = everyone
        self._ready: dict[Group, Mapping[Item, float]] = {}
        self._totals: dict[tuple[Group, int], float] = {}
        self.values: dict[tuple[str, str], tuple[float, list[Candidate]]] = {}
        """What `candidates` found for an argument, and from which probability on."""
        self.memory = memory
        self.slots_left = MAX_SLOTS

    def of(self, group: Group, most: int = 1_000) -> Mapping[Item, float]:
        """The (greatest) counts of a group: everyone's, and this session's own with its weight."""
        ready = self._ready.get(group)
        if ready is None:
            ready = self._ready[group] = self.memory.joined(group, self._everyone.top(group, most), most)
        return ready

    def amount(self, group: Group, item: Item) -> float:
        """The count of one item, however large its group is."""
        return self._everyone.of(group).get(item, 0.0) + self.memory.weighed(group, item)

    def total(self, group: Group, size: int) -> float:
        """The sum of a group of ranks over those of one size."""
        key = (group, size)
        total = self._totals.get(key)
        if total is None:
            total = self._totals[key] = sum(n for (s, _), n in self.of(group).items() if s == size)  # type: ignore[misc,has-type]
        return total

    def rate(self, group: Group, prior: float, weight: float) -> float:
        """hits / tries of a group, shrunk towards `prior`."""
        counts = self.of(group)
        return (counts.get("hits", 0.0) + weight * prior) / (counts.get("tries", 0.0) + weight)


def candidates(learnt: Learnt, slot: tuple[str, str], floor: float) -> list[Candidate]:
    """Values for an argument that is to have another value than last time, likeliest first, from `floor` on."""
    held = learnt.values.get(slot)
    if held is not None and held[0] <= floor:
        return held[1]
    if learnt.slots_left <= 0:
        return []
    learnt.slots_left -= 1
    memory = learnt.memory
    types = learnt.of(("fresh", *slot))
    used = memory.used.get(slot, {})
    best: dict[tuple[str, Json], Candidate] = {}
    rest = 1.0
    for works, support, origin in _links(learnt, slot):
        if works < floor:
            break
        for candidate in _offered(learnt, slot, origin, works, support, used, floor):
            _keep(best, candidate, types)
            rest = min(rest, 1.0 - works)
    constants = learnt.of(("const", *slot), MAX_KNOWN)
    sessions = constants.get("", 0.0)
    found = 0
    for text, amount in sorted(constants.items(), key=lambda item: -item[1]):
        if not text or amount < 2:
            continue
        share = rest * (amount - 1.0) / (sessions + 1.0)
        if share < floor or found == MAX_CONSTANTS:
            break
        found += 1
        _keep(best, Candidate(parse_strict(str(text)), share, share, "const", support=amount), types)
    ranked = sorted(best.values(), key=lambda candidate: -candidate.probability)[:MAX_VALUES]
    mass = sum(candidate.probability for candidate in ranked)
    if mass > 0.98:
        ranked = [candidate._replace(probability=candidate.probability * 0.98 / mass) for candidate in ranked]
    learnt.values[slot] = (floor, ranked)
    return ranked


def _links(learnt: Learnt, slot: tuple[str, str]) -> list[tuple[float, float, Origin]]:
    """(P(the value is one of the origin's), support, origin) of the origins that could give a value now, best first."""
    memory = learnt.memory
    present = learnt.of(("present", *slot))
    fresh = sum(learnt.of(("fresh", *slot)).values())
    found: list[tuple[float, float, Origin]] = []
    known: set[Origin] = set()
    for item, amount in learnt.of(("link", *slot), MAX_KNOWN).items():
        origin, recent = cast("tuple[Origin, bool]", item)
        column = origin.column
        if column is None:
            tries = fresh
        elif column not in memory.sights.columns or memory.is_recent(origin) != recent:
            continue
        else:
            tries = present.get((column.tool, recent), 0.0)
        known.add(origin)
        found.append(((amount + 0.02) / (max(tries, amount) + 1.0), amount, origin))
    if fresh <= FEW:
        own = ColumnId(slot[0], f"@{slot[1]}")
        for column, prior in columns_for(memory, tool_of(slot[0])[0], slot[1]):
            origin = Origin("copy", column)
            if column != own and origin not in known:
                found.append((prior * FEW / (FEW + fresh), 0.0, origin))
    found.sort(key=lambda one: (-one[0], -one[1]))
    return found[:MAX_LINKS]


def _offered(
    learnt: Learnt,
    slot: tuple[str, str],
    origin: Origin,
    works: float,
    support: float,
    used: Collection[str],
    floor: float,
) -> Iterable[Candidate]:
    memory = learnt.memory
    if origin.kind == "step":
        last = memory.last.get(slot[0], {}).get(slot[1])
        if isinstance(last, int) and not isinstance(last, bool) and isinstance(origin.by, int | float):
            yield Candidate(last + origin.by, works, works, "step", support=support)
        return
    column = origin.column
    assert column is not None
    rows, mean, best = _rows(learnt, slot, origin, column, used)
    if not rows:
        return
    scale = works * best / (mean * (best + 0.05))
    table = column.place.rpartition("[*]")[0]
    columns = (column,) if origin.of is None or origin.more is None else (origin.of, origin.more)
    for one, value, share, fit in rows:
        probability = min(works, scale * share * fit)
        if probability >= floor:
            stands = (Stand(one.event, one.row, table, column.tool, works),)
            yield Candidate(value, probability, works, origin.kind, one.event, stands, support, columns, fit)


def _rows(learnt: Learnt, slot: tuple[str, str], origin: Origin, column: ColumnId, used: Collection[str]) -> Offer:
    """What a column offers an argument, with P(rank) and how well each value's shape fits; the mean fit and the best.

    Kept until the column shows something new or another value was used: most turns change few columns.
    """
    memory = learnt.memory
    stamp = (memory.sights.stamp(column), memory.sights.stamp(origin.of), len(used))
    held = memory.offers.get((slot, origin))
    if held is not None and held[0] == stamp:
        return cast("Offer", held[1])
    offered = ordered(memory.sights.latest(column, RECENT_SIGHTS), used, MOST)
    shares = _shares(learnt, slot, origin.kind, column, bucket(sum(one.fresh for one in offered), SIZES))
    shapes = learnt.of(("shape", *slot))
    shaped = sum(shapes.values()) + 1.0
    rows: list[Row] = []
    place = 0
    for one in offered[:MAX_OFFERED]:
        which = bucket(place + 1, RANKS) if one.fresh else -1
        place += one.fresh
        value = _built(origin, one, memory)
        if value is not None:
            rows.append((one, value, shares[which], (shapes.get(shape_of(value), 0.0) + 0.2) / shaped))
    total = sum(row[2] for row in rows)
    mean = sum(row[2] * row[3] for row in rows) / total if rows else 1.0
    found = rows, mean, max((row[3] for row in rows), default=0.0)
    memory.offers[slot, origin] = (stamp, found)
    if len(memory.offers) > MAX_OFFERS:
        del memory.offers[next(iter(memory.offers))]
    return found


def _shares(learnt: Learnt, slot: tuple[str, str], kind: Kind, column: ColumnId, size: int) -> dict[int, float]:
    """P(this rank | the value is in the column), by bucket of ranks, -1 being a value that was used before; from the
    column's own history, its kind's and a plain prior.
    """
    own: Group = ("rank", *slot, column)
    usual: Group = ("ranks", kind, column.place[0])
    found: dict[int, float] = {}
    for which, width in (*enumerate((*WIDTHS, FURTHER)), (-1, 2)):
        plain = PLAIN[which] if size else PLAIN_OF_ONE.get(which, 0.05)
        key = (size, which)
        general = (learnt.of(usual).get(key, 0.0) + 4.0 * plain) / (learnt.total(usual, size) + 4.0)
        found[which] = (learnt.of(own).get(key, 0.0) + 2.0 * general) / (learnt.total(own, size) + 2.0) / width
    return found


def _built(origin: Origin, one: Ordered, memory: Memory) -> Json:
    if origin.kind == "copy":
        return one.value
    if origin.kind == "frame" and isinstance(origin.by, tuple):
        return f"{origin.by[0]}{one.value}{origin.by[1]}"
    if origin.of is None:
        return None
    folders = memory.sights.latest(origin.of, RECENT_SIGHTS)
    if not folders:
        return None
    # A name belongs to the folder that was listed with it, where one call shows both; else to the latest.
    folder = next((sight for sight in folders if sight.event == one.event), folders[0])
    return f"{str(folder.values[0]).rstrip('/')}/{one.value}"


def _typed(value: Json, types: Mapping[Item, float]) -> Json:
    """The value in the type that this argument usually has: servers list ids as numbers and take them as text."""
    if isinstance(value, int) and not isinstance(value, bool) and types.get("str", 0) > types.get("int", 0):
        return str(value)
    if isinstance(value, str) and types.get("int", 0) > types.get("str", 0) and value.isascii() and value.isdecimal():
        return int(value) if len(value) < 16 else value
    return value


def _keep(best: dict[tuple[str, Json], Candidate], candidate: Candidate, types: Mapping[Item, float]) -> None:
    value = _typed(candidate.value, types)
    if value is not candidate.value:
        candidate = candidate._replace(value=value)
    key = (type(value).__name__, value if isinstance(value, str | int | float) else repr(value))
    held = best.get(key)
    if held is None:
        best[key] = candidate
    else:
        better, other = (held, candidate) if held.probability >= candidate.probability else (candidate, held)
        best[key] = better._replace(stands=(better.stands + other.stands)[:MAX_STANDS])
