"""The command line of the workspace server; it starts nothing."""

import argparse
import math
from pathlib import Path
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Answers bad options with one line on stderr and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def seconds(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(text)
    return value


def port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise ValueError(text)
    return value


def parse_options(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="workspace", description="MCP server: one folder of code.")
    parser.add_argument("root", type=Path, metavar="ROOT", help="the folder to work in")
    parser.add_argument(
        "--latency",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="simulated network latency: every tool call waits this long first (default 0)",
    )
    parser.add_argument(
        "--test-timeout", type=seconds, default=60.0, metavar="SECONDS", help="time limit of run_tests (default 60)"
    )
    parser.add_argument(
        "--test-runner",
        choices=("auto", "pytest", "unittest"),
        default="auto",
        help="what run_tests runs (default auto: pytest where it is installed, else unittest)",
    )
    parser.add_argument("--transport", choices=("stdio", "http", "sse"), default="stdio")
    parser.add_argument("--host", default="127.0.0.1", help="for http and sse; there is no authentication")
    parser.add_argument("--port", type=port, default=8000, help="for http and sse (default 8000)")
    options = parser.parse_args(arguments)
    if not options.root.is_dir():
        parser.error(f"ROOT {str(options.root)!r} is not a folder")
    return options
