import unittest

from ..stock import NotEnough, Stock


class StockTests(unittest.TestCase):
    def test_reserved_pieces_are_no_longer_available(self) -> None:
        stock = Stock({"LAMP": 3})
        stock.reserve("LAMP", 2)
        self.assertEqual(stock.available("LAMP"), 1)

    def test_more_than_available_cannot_be_reserved(self) -> None:
        stock = Stock({"LAMP": 3})
        with self.assertRaises(NotEnough):
            stock.reserve("LAMP", 5)

    def test_unknown_products_cannot_be_reserved(self) -> None:
        with self.assertRaises(NotEnough):
            Stock({}).reserve("LAMP", 1)

    def test_scarce_products_come_scarcest_first(self) -> None:
        stock = Stock({"LAMP": 3, "PEN": 1, "DESK": 9})
        self.assertEqual(stock.reorder_list(5), ["PEN", "LAMP"])
