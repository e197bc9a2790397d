"""What the command line tells its user: one line on stderr, and exit code 2 where input cannot be used."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer


def say(message: str) -> None:
    """One line."""
    print(f"paste-mcp: {message}", file=sys.stderr)


def refuse(message: str) -> NoReturn:
    """One line, and the end."""
    say(message)
    raise typer.Exit(2)
