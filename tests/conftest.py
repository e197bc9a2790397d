"""Hypothesis profiles: `fast` by default, `deep` with HYPOTHESIS_PROFILE=deep. A failure prints a blob to replay it.

Long runs (`-m soak`, `fuzz`, `chaos`) take `--seconds N` and `--seed N`, and say at the end how much they did.
"""

import os
import random
import time

import pytest
from hypothesis import settings

settings.register_profile("fast", deadline=None, derandomize=False, print_blob=True, max_examples=100)
settings.register_profile("deep", deadline=None, derandomize=False, print_blob=True, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

LONG = ("soak", "fuzz", "chaos")


def pytest_addoption(parser):
    group = parser.getgroup("long runs")
    group.addoption("--seconds", type=float, default=60, help="how long each test marked soak, fuzz or chaos may take")
    group.addoption("--seed", type=int, default=None, help="what chance of such tests begins with; printed in the end")


class Spell:
    """How long a test goes on, and what chance it has. Small ones end by their number, marked ones by time as well."""

    def __init__(self, name, seed, seconds, record):
        self.seed = seed
        self.random = random.Random(seed)
        self.seconds = seconds
        self.began = time.monotonic()
        self._name = name
        self._record = record
        self.tell(seed=seed)

    @property
    def over(self):
        return time.monotonic() - self.began > self.seconds

    def rounds(self, most):
        """Numbers up to `most`, as long as there is time; at least one."""
        for number in range(most):
            yield number
            if self.over:
                return

    def tell(self, **figures):
        for name, value in figures.items():
            self._record("told", f"{self._name}: {name} {value}")


@pytest.fixture
def spell(request, record_property):
    given = request.config.getoption("seed")
    seed = random.SystemRandom().randrange(2**32) if given is None else given
    long = any(request.node.get_closest_marker(mark) for mark in LONG)
    seconds = request.config.getoption("seconds") if long else 2
    print(f"seed {seed}")  # shown where the test fails
    return Spell(request.node.name, seed, seconds, record_property)


def pytest_terminal_summary(terminalreporter, config):
    told = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        for name, value in getattr(report, "user_properties", ())
        if name == "told"
    ]
    # Not where they were only run small, among all the others.
    if told and not config.getoption("markexpr").startswith("not"):
        terminalreporter.section("long runs")
        for line in told:
            terminalreporter.write_line(line)
