import unittest

from ..catalogue import Line, Product
from ..invoice import invoice_text, shipping_price, total

PEN = Product("PEN", "Pen", 200)
CHAIR = Product("CHAIR", "Chair", 5_000)
BOX = Product("BOX", "Box", 420)


class InvoiceTests(unittest.TestCase):
    def test_small_orders_pay_shipping(self) -> None:
        self.assertEqual(total([Line(PEN, 2)]), 895)

    def test_large_orders_ship_free(self) -> None:
        self.assertEqual(shipping_price([Line(CHAIR, 1)]), 0)

    def test_free_shipping_counts_the_discounted_price(self) -> None:
        # 12 boxes are 50.40, and 47.88 with the bulk discount.
        self.assertEqual(shipping_price([Line(BOX, 12)]), 495)

    def test_the_invoice_names_every_line_and_the_total(self) -> None:
        self.assertEqual(invoice_text([Line(PEN, 2)]), "2 x Pen: 4.00\nTotal with shipping: 8.95")
