"""What is on the shelves and what of it is promised."""


class NotEnough(Exception):
    """More was asked for than is available."""


class Stock:
    """Pieces on hand and reserved, by product code."""

    def __init__(self, on_hand: dict[str, int]) -> None:
        self._on_hand = dict(on_hand)
        self._reserved: dict[str, int] = {}

    def available(self, code: str) -> int:
        return self._on_hand.get(code, 0) - self._reserved.get(code, 0)

    def reserve(self, code: str, quantity: int) -> None:
        """Promise pieces to a customer. Raises NotEnough if that many are not available."""
        if self.available(code) <= 0:
            raise NotEnough(f"{code}: {quantity} wanted, {self.available(code)} available")
        self._reserved[code] = self._reserved.get(code, 0) + quantity

    def reorder_list(self, below: int) -> list[str]:
        """Codes of products with fewer than `below` pieces available, scarcest first."""
        scarce = [code for code in self._on_hand if self.available(code) < below]
        return sorted(scarce, key=lambda code: (self.available(code), code))
