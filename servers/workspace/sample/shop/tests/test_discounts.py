import unittest

from ..catalogue import Line, Product
from ..discounts import bulk_discount

PEN = Product("PEN", "Pen", 200)


class DiscountTests(unittest.TestCase):
    def test_few_pieces_have_no_discount(self) -> None:
        self.assertEqual(bulk_discount(Line(PEN, 9)), 0)

    def test_exactly_ten_pieces_are_discounted(self) -> None:
        self.assertEqual(bulk_discount(Line(PEN, 10)), 100)

    def test_many_pieces_are_discounted(self) -> None:
        self.assertEqual(bulk_discount(Line(PEN, 20)), 200)
