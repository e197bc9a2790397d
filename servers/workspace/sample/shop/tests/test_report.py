import unittest

from ..report import reorder_report
from ..stock import Stock


class ReportTests(unittest.TestCase):
    def test_nothing_scarce_gives_an_empty_report(self) -> None:
        self.assertEqual(reorder_report(Stock({"LAMP": 9}), 5), "")

    def test_the_scarcest_product_is_on_top(self) -> None:
        report = reorder_report(Stock({"LAMP": 3, "PEN": 1}), 5)
        self.assertEqual(report, "PEN: 1 left\nLAMP: 3 left")
