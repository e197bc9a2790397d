"""Figures in a reader's units."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """`0.42 s`, `8.1 s`, `3 min 20 s`, `5 h 12 min`."""
    if abs(seconds) < 1 and round(seconds, 2) != 0:
        return f"{seconds:.2f} s"
    if abs(seconds) < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def percent(share: float | None) -> str:
    """A share, or a dash where there is none."""
    return "–" if share is None else f"{share:.0%}"


def money(amount: float, currency: str, digits: int = 0) -> str:
    """An amount with its currency."""
    sign = "−" if amount < 0 else ""
    return f"{sign}{currency}{'' if len(currency) == 1 else ' '}{abs(amount):,.{digits}f}"
