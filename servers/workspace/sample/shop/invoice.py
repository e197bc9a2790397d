"""What an order costs."""

from collections.abc import Sequence

from .catalogue import Line
from .discounts import bulk_discount
from .money import formatted

FREE_SHIPPING_FROM = 5_000
SHIPPING = 495


def goods_price(lines: Sequence[Line]) -> int:
    """The price of the goods after discounts."""
    return sum(line.price - bulk_discount(line) for line in lines)


def shipping_price(lines: Sequence[Line]) -> int:
    """Shipping is free from 50.00 after discounts."""
    if sum(line.price for line in lines) >= FREE_SHIPPING_FROM:
        return 0
    return SHIPPING


def total(lines: Sequence[Line]) -> int:
    return goods_price(lines) + shipping_price(lines)


def invoice_text(lines: Sequence[Line]) -> str:
    """The invoice as printed."""
    rows = [f"{line.quantity} x {line.product.name}: {formatted(line.price)}" for line in lines]
    return "\n".join([*rows, f"Total with shipping: {formatted(total(lines))}"])
