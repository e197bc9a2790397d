"""Learnt counts as patterns: what a user reads, edits and shares, and what the pattern predictor foresees by as well.

One pattern says what one tool is followed by, in the form and with the sources that were most often right. It says
less than the counts do: they weigh all sources against each other at every prediction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import fsum
from typing import Final, Literal

from paste_mcp.core.keys import parse_strict
from paste_mcp.core.model import Json
from paste_mcp.core.patterns.elements import OUTCOMES, Element, Outcome
from paste_mcp.core.patterns.language import MAX_ARGUMENTS, REST, WHICHEVER, Pattern, Support, Target
from paste_mcp.core.patterns.reader import Picks
from paste_mcp.core.patterns.sources import Const, Source
from paste_mcp.core.prediction.learnt.counts import Counts, Group, Item
from paste_mcp.core.prediction.learnt.lessons import WIDTHS
from paste_mcp.core.prediction.learnt.names import learnt_id
from paste_mcp.core.prediction.learnt.origins import Origin
from paste_mcp.core.prediction.learnt.said import element_of, is_list, last_value, source_of

MIN_SEEN: Final = 2.5
"""How often a context must have been seen to be written down. Old counts weigh less than one."""
MIN_HIT: Final = 1.5
"""How often the target must have followed, a source been right, a constant been used."""
MIN_PROBABILITY: Final = 0.02
"""Of the likeliest call of a pattern."""
PRIOR_SEEN: Final = 1.0
"""Counts that every share is shrunk by, since few of them promise too much."""
BACK_OFF: Final = 4.0
"""What the shorter context weighs in a longer one's probability, in counts."""
PAYS: Final = 1.5
"""How much likelier a longer context must make the target to be written down."""
MIN_SHARE: Final = 0.02
FIRST: Final[Picks] = ((1, 1.0),)


@dataclass(frozen=True, slots=True)
class Choice:
    """A source for one argument: the probability that the value is among what it gives, and at which rank."""

    source: Source
    probability: float
    worth: float
    """How often it would have been right among its first few, in all calls of the tool."""
    kind: Literal["found", "same", "constant"] = "found"
    pick: Picks = FIRST


def written(counts: Counts, *, min_seen: float = MIN_SEEN, texts: bool = True) -> list[Pattern]:
    """The well supported patterns, by name. Without `texts`, no learnt text stands in them as a constant.

    Of several definitions that a tool had, the one with the most evidence is written.
    """
    by_name: dict[str, Pattern] = {}
    for group in dict.fromkeys(group for group, _, _ in counts):
        for pattern in _after(counts, group, min_seen, texts):
            held = by_name.get(pattern.name)
            if held is None or _hit(pattern) > _hit(held):
                by_name[pattern.name] = pattern
    return [by_name[name] for name in sorted(by_name)]


def _hit(pattern: Pattern) -> float:
    return pattern.evidence.hit if pattern.evidence else 0.0


def _after(counts: Counts, group: Group, min_seen: float, texts: bool) -> Iterator[Pattern]:
    """What follows one context."""
    items = counts.of(group)
    seen = items.get("", 0.0)
    context = _context(group)
    if context is None or seen < min_seen:
        return
    last = str(group[-2])
    for target, hit in items.items():
        if not isinstance(target, str) or not target or hit < MIN_HIT:
            continue
        foreseen = element_of(target, "any")
        call = _call(counts, target, last, texts)
        if foreseen is None or call is None:
            continue
        p_call, arguments, pick = call
        likely = hit / (seen + PRIOR_SEEN)
        if len(context) > 1:
            shorter = counts.of(("follow", *group[2:]))
            usual = shorter.get(target, 0.0) / (shorter.get("", 0.0) + PRIOR_SEEN)
            likely = (hit + BACK_OFF * usual) / (seen + BACK_OFF)
            if likely < PAYS * usual:
                continue
        probability = likely * p_call
        if probability * pick[0][1] < MIN_PROBABILITY:
            continue
        server = None if foreseen.server == context[-1].server else foreseen.server
        yield Pattern(
            name=_name(context, last, target),
            context=context,
            target=Target(server, foreseen.tool.text),
            arguments=arguments,
            pick=pick,
            probability=round(probability, 3),
            id=learnt_id(last, target),
            evidence=Support(round(seen, 2), round(hit, 2)),
        )


def _context(group: Group) -> tuple[Element, ...] | None:
    """("follow", [tool before,] tool, status) as elements; None for other groups."""
    if len(group) not in (3, 4) or group[0] != "follow" or not all(isinstance(part, str) for part in group):
        return None
    *tools, status = map(str, group[1:])
    outcome: Outcome | None = next((known for known in OUTCOMES if known == status), None)
    if outcome is None or not all(tools):
        return None
    before = [element_of(tool, "any") for tool in tools[:-1]]
    found = [*before, element_of(tools[-1], outcome)]
    return tuple(element for element in found if element) if all(found) else None


def _name(context: tuple[Element, ...], last: str, target: str) -> str:
    """The id, where nothing else tells patterns apart."""
    before = "".join(f"{element.server.text}/{element.tool.text}, " for element in context[:-1])
    status = "" if context[-1].status == "ok" else f" ({context[-1].status})"
    _, _, rest = learnt_id(last, target).partition(":")
    source, arrow, to = rest.partition(" > ")
    return f"learnt:{before}{source}{status}{arrow}{to}"


Call = tuple[float, tuple[tuple[str, Source], ...], Picks]


def _call(counts: Counts, target: str, last: str, texts: bool) -> Call | None:
    """The target's usual form with its best sources, and P(form and sources | target)."""
    forms = counts.of(("form", target))
    if not forms:
        return None
    form, uses = max(forms.items(), key=lambda item: (item[1], str(item[0])))
    if not isinstance(form, tuple) or len(form) > MAX_ARGUMENTS or not all(_is_plain(name) for name in form):
        return None
    probability = uses / (sum(forms.values()) + PRIOR_SEEN)
    choices: dict[str, Choice] = {}
    others: list[tuple[str, Choice]] = []
    for name in form:
        options = sorted(_choices(counts, (target, name), last, texts), key=_by_worth)
        if not options:
            return None
        choices[name] = options[0]
        others += [(name, option) for option in options if option.kind == "found"][:1]
    kinds = {choice.kind for choice in choices.values()}
    if target == last and "found" not in kinds:
        # The same call once more is answered already: something has to be another value than before.
        if not others:
            return None
        name, choice = min(others, key=lambda other: (_by_worth(other[1]), other[0]))
        choices[name] = choice
    elif kinds == {"same"}:
        probability *= _rate(counts, ("repeat", target))
    return _together(probability, choices)


def _by_worth(choice: Choice) -> tuple[float, str]:
    """Best first; the same whatever the order of counts (of which sums of floats are only nearly independent)."""
    return -round(choice.worth, 9), repr(choice.source)


def _is_plain(name: object) -> bool:
    return isinstance(name, str) and name not in ("", REST, WHICHEVER) and "{" not in name


def _together(probability: float, choices: Mapping[str, Choice]) -> Call:
    """Ranks are drawn once for all lists: by the one that is most spread."""
    lists = [choice for choice in choices.values() if is_list(choice.source)]
    leading = min(lists, key=lambda choice: choice.pick[0][1], default=None)
    for choice in choices.values():
        probability *= choice.probability
    pick = leading.pick if leading else FIRST
    return probability, tuple((name, choice.source) for name, choice in choices.items()), pick


def _choices(counts: Counts, slot: tuple[str, str], last: str, texts: bool) -> Iterator[Choice]:
    """Where the argument's value may come from."""
    target = slot[0]
    tries = counts.of(("same", *slot)).get("tries", 0.0)
    same = _rate(counts, ("same", *slot)) if tries else 0.0
    again = last_value(slot, last)
    if again is not None and tries >= MIN_HIT:
        # A tool's first call in a session has none before it.
        reach = 1.0 if target == last else tries / (tries + counts.of(("const", *slot)).get("", 0.0))
        yield Choice(again, same, same * reach, "same")
    changes = 1 - same if target == last else 1.0
    for choice in _links(counts, slot, last, texts):
        yield replace(choice, probability=changes * choice.probability, worth=changes * choice.worth)
    constants = counts.of(("const", *slot))
    sessions = constants.get("", 0.0)
    for text, uses in constants.items():
        if not isinstance(text, str) or not text or uses < MIN_HIT:
            continue
        value: Json = parse_strict(text)
        if texts or not _holds_text(value):
            share = changes * (uses - 1) / (sessions + PRIOR_SEEN)
            yield Choice(Const(value), min(share, 1.0), min(share, 1.0), "constant")


def _links(counts: Counts, slot: tuple[str, str], last: str, texts: bool) -> Iterator[Choice]:
    """The origins in the session's columns."""
    fresh = fsum(amount for kind, amount in counts.of(("fresh", *slot)).items() if kind)
    present = counts.of(("present", *slot))
    found: dict[Origin, float] = {}
    for item, amount in counts.of(("link", *slot)).items():
        origin, recent = _link(item)
        column = origin.column
        # After `last` its own columns are recent ones; of others nobody knows.
        if column is None or column.tool != last or recent:
            found[origin] = found.get(origin, 0.0) + amount
    for origin, amount in found.items():
        source = source_of(origin, slot, last) if amount >= MIN_HIT else None
        if source is None or (origin.kind == "frame" and not texts):
            continue
        column = origin.column
        if column is None:
            tries = fresh
        elif column.tool == last:
            tries = present.get((last, True), 0.0)
        else:
            tries = present.get((column.tool, True), 0.0) + present.get((column.tool, False), 0.0)
        # Within `last` the column is there for sure; a call that was not made gives nothing.
        reach = 1.0 if column is None or column.tool == last else min(1.0, tries / max(fresh, 1.0))
        right = amount / (max(tries, amount) + PRIOR_SEEN)
        shares = _shares(counts, ("rank", *slot, column), listed=is_list(source))
        if not shares:
            continue
        if is_list(source):
            yield Choice(source, right, right * reach * sum(share for _, share in shares[:3]), pick=shares)
        else:
            yield Choice(source, right * shares[0][1], right * reach * shares[0][1])


def _link(item: Item) -> tuple[Origin, bool]:
    assert isinstance(item, tuple)
    origin, recent = item
    assert isinstance(origin, Origin)
    return origin, bool(recent)


def _shares(counts: Counts, group: Group, *, listed: bool) -> Picks:
    """P(rank | the value is in the column), of values not used before; of a single value, whether it is the latest."""
    by_rank: dict[int, float] = {}
    total = 0.0
    for item, amount in counts.of(group).items():
        assert isinstance(item, tuple)
        by_rank[item[1]] = by_rank.get(item[1], 0.0) + amount
        total += amount
    if not total:
        return FIRST
    if not listed:
        return ((1, min(1.0, (by_rank.get(0, 0.0) + by_rank.get(-1, 0.0)) / total)),) if by_rank.get(0, 0.0) else ()
    found: list[tuple[int, float]] = []
    for place, width in enumerate(WIDTHS):
        share = by_rank.get(place, 0.0) / (total + PRIOR_SEEN) / width
        found += [(rank, round(share, 3)) for rank in range(len(found) + 1, len(found) + 1 + width)]
    return tuple((rank, share) for rank, share in found if share >= MIN_SHARE)


def _rate(counts: Counts, group: Group) -> float:
    """hits / tries."""
    items = counts.of(group)
    return items.get("hits", 0.0) / (items.get("tries", 0.0) + PRIOR_SEEN)


def _holds_text(value: Json) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, str) or (isinstance(value, list) and any(map(_holds_text, value)))
