"""Lists for the people in the shop."""

from .stock import Stock


def reorder_report(stock: Stock, below: int) -> str:
    """One line per scarce product, scarcest first."""
    codes = stock.reorder_list(below)
    lines = [f"{code}: {stock.available(code)} left" for code in reversed(codes)]
    return "\n".join(lines)
