"""The command line of the research server; it starts nothing."""

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
    parser = Parser(prog="research", description="MCP server: Python standard library documentation.")
    parser.add_argument(
        "--latency",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="simulated network latency: every tool call waits this long first (default 0)",
    )
    parser.add_argument("--cache-dir", type=Path, help="where the index file is kept (default: your cache directory)")
    parser.add_argument("--transport", choices=("stdio", "http", "sse"), default="stdio")
    parser.add_argument("--host", default="127.0.0.1", help="for http and sse; there is no authentication")
    parser.add_argument("--port", type=port, default=8000, help="for http and sse (default 8000)")
    options = parser.parse_args(arguments)
    if options.cache_dir is not None:
        try:
            options.cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"--cache-dir {options.cache_dir}: {error.strerror}")
    return options
