"""What the shop sells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """One article with its price in cents."""

    code: str
    name: str
    price: int


@dataclass(frozen=True)
class Line:
    """So many pieces of one product in an order."""

    product: Product
    quantity: int

    @property
    def price(self) -> int:
        return self.product.price * self.quantity
