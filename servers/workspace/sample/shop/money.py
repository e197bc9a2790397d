"""Amounts of money in whole cents."""

from decimal import ROUND_DOWN, Decimal


def to_cents(amount: Decimal) -> int:
    """An amount in the currency's unit as whole cents, half a cent rounded up."""
    return int((amount * 100).quantize(Decimal(1), rounding=ROUND_DOWN))


def percent_of(cents: int, percent: Decimal) -> int:
    """The given percentage of an amount, in whole cents."""
    return to_cents(Decimal(cents) * percent / 10_000)


def formatted(cents: int) -> str:
    """An amount as people read it, such as 12.50."""
    return f"{cents // 100}.{cents % 100:02d}"
