"""Tests of the shop; run with `python -m unittest`."""
