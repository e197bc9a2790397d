"""The three workflows of the PASTE paper, as scripts of an agent on the example servers.

A script yields a call (tool as the host sees it, arguments) and is sent the structured result; it decides from
results, as a model would, and not always for the likeliest next call.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias

Script: TypeAlias = Generator[tuple[str, dict[str, Any]], dict[str, Any], None]


def search_then_visit() -> Script:
    """Research: search, open two of the results, search again, open the second and then something it refers to."""
    found = yield "research__search", {"query": "cancel a task when a timeout expires"}
    yield "research__visit", {"url": found["results"][0]["url"]}
    yield "research__visit", {"url": found["results"][2]["url"]}
    found = yield "research__search", {"query": "limit how many workers run at once with a semaphore"}
    yield "research__visit", {"url": found["results"][1]["url"]}
    yield "research__visit", {"url": found["results"][0]["url"]}


def locate_then_examine() -> Script:
    """Find out how something works: grep for it, read where it was found."""
    found = yield "workspace__grep", {"pattern": "def reserve"}
    yield "workspace__read", {"path": found["matches"][0]["path"]}
    found = yield "workspace__grep", {"pattern": "reorder_list"}
    paths = list(dict.fromkeys(match["path"] for match in found["matches"]))
    yield "workspace__read", {"path": paths[1]}


def edit_then_verify() -> Script:
    """Mend three mistakes, running the tests after each."""
    edits = (
        ("shop/discounts.py", "line.quantity > BULK_QUANTITY", "line.quantity >= BULK_QUANTITY"),
        ("shop/stock.py", "self.available(code) <= 0", "self.available(code) < quantity"),
        ("shop/report.py", "reversed(codes)", "codes"),
    )
    for path, old, new in edits:
        yield "workspace__edit", {"path": path, "old": old, "new": new}
        yield "workspace__run_tests", {}


@dataclass(frozen=True, slots=True)
class Workflow:
    """A script and the example server that it works on."""

    name: str
    server: str
    script: Callable[[], Script]


WORKFLOWS = (
    Workflow("search-then-visit", "research", search_then_visit),
    Workflow("locate-then-examine", "workspace", locate_then_examine),
    Workflow("edit-then-verify", "workspace", edit_then_verify),
)
