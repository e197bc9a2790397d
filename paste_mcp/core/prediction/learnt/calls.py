"""Whole calls of one tool: its usual forms, a value for each argument, and how well the values go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.model import Json, Tool
from paste_mcp.core.prediction.fits import fitted
from paste_mcp.core.prediction.learnt.guess import Guess, features_of
from paste_mcp.core.prediction.learnt.slots import Candidate, Learnt, Stand, candidates
from paste_mcp.core.prediction.learnt.zero_shot import asks_for

MAX_FORMS: Final = 2
MAX_CALLS: Final = 6
"""Calls of one tool and form that are put together."""
BEAM: Final = 12
FLOOR: Final = 0.008
"""Less likely calls are not put together."""
MAX_PROBABILITY: Final = 0.95
MAX_ARGUMENTS: Final = 16


def calls_of(learnt: Learnt, name: str, tool: Tool, p_tool: float) -> Iterator[Guess]:
    """The calls of `tool` that may come, given that it comes with `p_tool`."""
    last = learnt.memory.last.get(name)
    for form, p_form in _forms(learnt, name, tool, last):
        likely = p_tool * p_form
        if likely < FLOOR or len(form) > MAX_ARGUMENTS:
            continue
        options = [_options(learnt, (name, argument), last, likely) for argument in form]
        if all(options):
            yield from _put_together(learnt, name, tool, form, options, p_tool, p_form)


def _forms(
    learnt: Learnt, name: str, tool: Tool, last: Mapping[str, Json] | None
) -> list[tuple[tuple[str, ...], float]]:
    """Sets of argument names with their probabilities; the last call's has two observations more."""
    forms: dict[tuple[str, ...], float] = dict(learnt.of(("form", name)))  # type: ignore[arg-type]
    if last is not None:
        form = tuple(sorted(last))
        forms[form] = forms.get(form, 0.0) + 2.0
    if not forms and (required := asks_for(tool)):
        forms[required] = 1.0
    total = sum(forms.values()) + 0.2
    ranked = sorted(forms.items(), key=lambda item: (-item[1], item[0]))[:MAX_FORMS]
    return [(form, amount / total) for form, amount in ranked]


def _options(learnt: Learnt, slot: tuple[str, str], last: Mapping[str, Json] | None, likely: float) -> list[Candidate]:
    """The values that one argument may have: the last call's again, or another one."""
    name = slot[1]
    if last is None or name not in last:
        return candidates(learnt, slot, FLOOR / likely)
    same = learnt.rate(("same", *slot), 0.6, 2.0)
    options = [Candidate(last[name], same, same, "same")]
    floor = FLOOR / (likely * max(1 - same, 0.01))
    if floor < 1:
        for option in candidates(learnt, slot, floor):
            if option.value != last[name]:
                rest = 1 - same
                options.append(option._replace(probability=rest * option.probability, link=rest * option.link))
    options.sort(key=lambda option: -option.probability)
    return options


def _put_together(
    learnt: Learnt,
    name: str,
    tool: Tool,
    form: tuple[str, ...],
    options: Sequence[Sequence[Candidate]],
    p_tool: float,
    p_form: float,
) -> Iterator[Guess]:
    memory = learnt.memory
    repeat = learnt.rate(("repeat", name), 0.05, 4.0)
    all_same = 1.0 if options else 0.0
    for slot in options:
        all_same *= next((option.probability for option in slot if option.kind == "same"), 0.0)
    for row, likely in _best_rows(options):
        arguments = fitted({argument: c.value for argument, c in zip(form, row, strict=True)}, tool.input_schema)
        if arguments is None:
            continue
        try:
            key = canonical(arguments)
        except Unkeyable:
            continue
        made = memory.has_made(name, key)
        if row and all(candidate.kind == "same" for candidate in row):
            if not made:
                continue
            # Arguments that each stay the same rarely all stay: that is a repeated call, and counted as one.
            probability = repeat / 2
        elif made:
            probability = min(likely, repeat)
        else:
            probability = likely * (1 - repeat) / max(1 - all_same, 0.05) if all_same else likely
        p = min(MAX_PROBABILITY, p_tool * p_form * probability)
        if p >= FLOOR:
            features = features_of(memory, name, made, row, p, p_tool, min(MAX_PROBABILITY, probability))
            yield Guess(tool, arguments, p, features, key, row)


def _best_rows(options: Sequence[Sequence[Candidate]]) -> list[tuple[tuple[Candidate, ...], float]]:
    """Likely rows of one candidate per argument, best first (a beam search)."""
    beam: list[tuple[float, tuple[Candidate, ...]]] = [(1.0, ())]
    for slot in options:
        beam = [
            (probability * _given(candidate, chosen), (*chosen, candidate))
            for probability, chosen in beam
            for candidate in slot
        ]
        beam.sort(key=lambda one: -one[0])
        del beam[BEAM:]
    return [(chosen, probability) for probability, chosen in beam[:MAX_CALLS]]


def _given(candidate: Candidate, chosen: Sequence[Candidate]) -> float:
    """P(this value | the values chosen so far): what stood in one row of one answer belongs together."""
    for other in chosen:
        if other.stands and candidate.stands:
            together = max(
                _beside(stand, beside, candidate.probability) for stand in candidate.stands for beside in other.stands
            )
            if together != candidate.probability:
                return together
    return candidate.probability


def _beside(stand: Stand, other: Stand, probability: float) -> float:
    """P(the value that stood here | the one that stood there)."""
    if stand.event != other.event:
        return probability * 0.2 if stand.tool == other.tool else probability
    shorter = min(len(other.row), len(stand.row))
    if other.row[:shorter] == stand.row[:shorter]:
        return max(probability, 0.8 * stand.link) if len(stand.row) <= len(other.row) else probability
    return probability * 0.1 if other.table == stand.table else probability
