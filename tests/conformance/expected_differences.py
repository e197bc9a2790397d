"""What the suite may see differ between a server and the same server behind the proxy, each with its reason.

An entry that no longer happens fails the test, so that this list only gets shorter.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    requirements: str
    scenario: str
    check: str
    reason: str


EXPECTED = [
    Expected(
        "2025-11-25",
        "server-sse-polling",
        "server-sse-disconnect-resume",
        "The server ends its stream in mid-call and lets its client come back for the rest. Here that client is the "
        "proxy, which does come back, while the host's own stream stays open and carries the result at once. The suite "
        "then has nothing to resume, and notes that (INFO) instead of a success.",
    ),
]
