import unittest
from decimal import Decimal

from ..money import formatted, percent_of, to_cents


class MoneyTests(unittest.TestCase):
    def test_whole_cents_stay_as_they_are(self) -> None:
        self.assertEqual(to_cents(Decimal("12.34")), 1234)

    def test_half_a_cent_is_rounded_up(self) -> None:
        self.assertEqual(to_cents(Decimal("0.125")), 13)

    def test_percentage_of_a_round_amount(self) -> None:
        self.assertEqual(percent_of(2_000, Decimal(5)), 100)

    def test_amounts_show_two_decimals(self) -> None:
        self.assertEqual(formatted(1205), "12.05")
