"""Bulk discounts."""

from decimal import Decimal

from .catalogue import Line
from .money import percent_of

BULK_QUANTITY = 10
BULK_PERCENT = Decimal(5)


def bulk_discount(line: Line) -> int:
    """What is taken off a line's price: five percent from ten pieces."""
    if line.quantity > BULK_QUANTITY:
        return percent_of(line.price, BULK_PERCENT)
    return 0
