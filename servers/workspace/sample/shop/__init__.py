"""Prices, stock and invoices of a small shop."""
