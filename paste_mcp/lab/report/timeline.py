"""One session as a picture: without speculation, with it, and what ran early. SVG for light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from paste_mcp.lab.report.waiting import Turn, turns_of, waiting_of
from paste_mcp.lab.report.words import duration
from paste_mcp.store.sessions import Guess, Session

WIDTH: Final = 960
LEFT: Final = 108
RIGHT: Final = 24
LANE: Final = 30
ROW: Final = 20
MOST_TURNS: Final = 24
"""Turns that are legible side by side; of a longer session the busiest stretch is shown."""
MOST_ROWS: Final = 8

STYLE: Final = """
.bg{fill:#fff;stroke:#d8dee6}.t{fill:#1b2430}.m{fill:#5b6878}.line{stroke:#b9c3cf}.think{fill:#e4e9ef}
.miss{fill:#c4483c}.late{fill:#c98a10}.hit{fill:#1f8a4c}.waste{fill:url(#w);stroke:#97a2b0}.live{fill:#3b78c9}
.link{stroke:#1f8a4c}.hatch{stroke:#97a2b0}.in{fill:#fff}.gain{fill:#1f8a4c}
@media (prefers-color-scheme:dark){.bg{fill:#12171e;stroke:#2b3542}.t{fill:#e8edf3}.m{fill:#9aa7b6}
.line{stroke:#3a4656}.think{fill:#232c38}.miss{fill:#e06a5c}.late{fill:#e0a83a}.hit{fill:#45b878}.link{stroke:#45b878}
.waste{stroke:#6d7a8a}.hatch{stroke:#6d7a8a}.in{fill:#0d1117}.live{fill:#6ca4ec}.gain{fill:#45b878}}
text{font:12px system-ui,-apple-system,Segoe UI,Roboto,sans-serif}.h{font-size:15px;font-weight:650}
.s{font-size:11px}.n{font-variant-numeric:tabular-nums}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of the session. Seconds from its beginning."""

    began: float
    ended: float
    kind: str
    label: str
    title: str


def timeline(session: Session) -> str:
    """The session as one SVG document."""
    turns = _stretch(list(turns_of(session)))
    if not turns:
        return ""
    start = turns[0].began - min(turns[0].think_s or 0.6, 0.6)
    end = max(call.ended for turn in turns for call in turn.calls)
    without, total_without = _without(turns, start)
    with_ = list(_with(turns, start))
    rows = _rows([guess for guess in session.guesses if start <= guess.issued <= end], end)
    span = max(total_without, end - start) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / span
    height = 128 + 2 * LANE + (len(rows) * ROW + 18 if rows else 0)
    parts = [*_head(session, height, total_without, end - start)]
    y = 58
    parts += _lane("without", without, y, scale, duration(total_without))
    parts += _lane("with", with_, y + LANE + 8, scale, duration(end - start))
    y += 2 * LANE + 22
    demands = {call.guess: call.began - start for turn in turns for call in turn.calls if call.guess is not None}
    parts += _guesses(rows, demands, start, end, y, scale, y - 14)
    parts += _legend(height - 18)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _stretch(turns: list[Turn]) -> list[Turn]:
    if len(turns) <= MOST_TURNS:
        return turns
    starts = range(len(turns) - MOST_TURNS + 1)
    best = max(starts, key=lambda at: sum(sum(turn.helps_s) for turn in turns[at : at + MOST_TURNS]))
    return turns[best : best + MOST_TURNS]


def _without(turns: Iterable[Turn], start: float) -> tuple[list[Bar], float]:
    """As it would have been: the same thinking, and every call takes as long as its tool did."""
    bars: list[Bar] = []
    at = 0.0
    for number, turn in enumerate(turns):
        at += (turn.began - start) if number == 0 else (turn.think_s or 0.0)
        tools = ", ".join(dict.fromkeys(call.tool for call in turn.calls))
        bars.append(Bar(at, at + turn.without_s, "miss", tools, f"{tools}: waits {duration(turn.without_s)}"))
        at += turn.without_s
    return bars, at


def _with(turns: Iterable[Turn], start: float) -> Iterator[Bar]:
    kinds = {"hit": "hit", "late_hit": "late"}
    for turn in turns:
        for call in turn.calls:
            words = {"hit": "the answer was there", "late_hit": "ran already"}.get(call.answered, "called as usual")
            yield Bar(
                call.began - start,
                call.ended - start,
                kinds.get(call.answered, "miss"),
                call.tool,
                f"{call.tool}: {words}, waits {duration(call.waited_s)}",
            )


def _rows(guesses: list[Guess], end: float) -> list[list[Guess]]:
    """Guesses in as few rows as they fit without covering each other."""
    rows: list[list[Guess]] = []
    for guess in sorted(guesses, key=lambda guess: (guess.issued, guess.id)):
        for row in rows:
            if _until(row[-1], end) <= guess.issued:
                row.append(guess)
                break
        else:
            if len(rows) < MOST_ROWS:
                rows.append([guess])
    return rows


def _until(guess: Guess, end: float) -> float:
    return guess.ended or guess.settled or end


def _head(session: Session, height: int, without_s: float, with_s: float) -> Iterator[str]:
    waiting = waiting_of(session)
    if session.shadow:
        said = f"{duration(waiting.would_save_s)} of waiting would have been saved"
    else:
        said = f"{duration(with_s)} instead of {duration(without_s)}"
    useful = sum(guess.useful for guess in session.guesses)
    description = f"{len(session.calls)} calls, {len(session.guesses)} guesses, {useful} of them used"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="tl-t tl-d" class="timeline">'
    )
    yield f'<title id="tl-t">A session with paste-mcp: {escape(said)}</title><desc id="tl-d">{description}</desc>'
    yield f"<style>{STYLE}</style>"
    yield (
        '<defs><pattern id="w" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<path d="M0 0V6" class="hatch" stroke-width="2"/></pattern></defs>'
    )
    yield f'<rect class="bg" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="10"/>'
    yield f'<text class="t h" x="20" y="30">{escape(said)}</text>'
    yield f'<text class="m s" x="{WIDTH - RIGHT}" y="30" text-anchor="end">{description}</text>'


def _lane(name: str, bars: Iterable[Bar], y: float, scale: float, total: str) -> Iterator[str]:
    yield f'<text class="t" x="20" y="{y + 13}">{name}</text><text class="m s n" x="20" y="{y + 27}">{total}</text>'
    last = 0.0
    for bar in bars:
        x, width = LEFT + bar.began * scale, max(3.0, (bar.ended - bar.began) * scale)
        if bar.began > last:
            left = LEFT + last * scale
            yield f'<rect class="think" x="{left:.1f}" y="{y + 12}" width="{x - left:.1f}" height="6"/>'
        yield f"<g><title>{escape(bar.title)}</title>"
        yield f'<rect class="{bar.kind}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{LANE}" rx="3"/>'
        if width > 6.6 * len(bar.label) + 8:
            middle = x + width / 2
            yield f'<text class="in s" x="{middle:.1f}" y="{y + 19}" text-anchor="middle">{escape(bar.label)}</text>'
        yield "</g>"
        last = max(last, bar.ended)


def _guesses(
    rows: list[list[Guess]],
    demands: dict[int, float],
    start: float,
    end: float,
    y: float,
    scale: float,
    lane_bottom: float,
) -> Iterator[str]:
    if rows:
        yield f'<text class="t" x="20" y="{y + 12}">ran early</text>'
    for number, row in enumerate(rows):
        top = y + number * ROW
        for guess in row:
            kind = {"hit": "hit", "late hit": "late", "live": "live"}.get(guess.state, "waste")
            x = LEFT + (guess.issued - start) * scale
            width = max(3.0, (min(_until(guess, end), end) - guess.issued) * scale)
            said = f"{guess.tool}, by {guess.pattern} ({guess.probability:.0%}): {guess.state}"
            yield f"<g><title>{escape(said)}</title>"
            if (at := demands.get(guess.id)) is not None:
                there = LEFT + at * scale
                yield (
                    f'<path class="link" fill="none" stroke-width="1.5" d="M{x + width:.1f} {top + 7}'
                    f'H{max(there, x + width):.1f}V{lane_bottom + 5}"/>'
                )
            yield f'<rect class="{kind}" x="{x:.1f}" y="{top}" width="{width:.1f}" height="14" rx="3"/></g>'


def _legend(y: float) -> Iterator[str]:
    x = LEFT
    for kind, words in (
        ("think", "model thinks"),
        ("miss", "waits for a tool"),
        ("hit", "the answer was there"),
        ("late", "the tool ran already"),
        ("waste", "ran early for nothing"),
    ):
        yield f'<rect class="{kind}" x="{x}" y="{y - 9}" width="12" height="10" rx="2"/>'
        yield f'<text class="m s" x="{x + 17}" y="{y}">{words}</text>'
        x += 40 + round(6.1 * len(words))
