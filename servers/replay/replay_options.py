"""The command line of the replay server; it starts nothing."""

import argparse
from pathlib import Path
from typing import NoReturn

from paste_mcp.lab.simulate.times import FORMS, seconds

RECORDED = "recorded"


class Parser(argparse.ArgumentParser):
    """Answers bad options with one line on stderr and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise ValueError(text)
    return value


def slots(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def parse_options(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="replay", description="MCP server: answers as recorded sessions were answered.")
    parser.add_argument("trace", type=Path, help="a trace, a full record of paste-mcp, a log of Claude Code or Codex")
    parser.add_argument("--session", metavar="ID", help="only sessions whose id contains this")
    parser.add_argument("--server", metavar="NAME", help="only calls to this server, its tools by their own names")
    parser.add_argument(
        "--latency",
        default=RECORDED,
        metavar="D",
        help=f"how long a call takes: recorded (the default; 0 where the record does not tell), {FORMS}",
    )
    parser.add_argument("--seed", default="0", help="for latencies that are drawn (default 0)")
    parser.add_argument(
        "--concurrency", type=slots, default=0, metavar="N", help="calls answered side by side (default 0: all)"
    )
    parser.add_argument("--transport", choices=("stdio", "http"), default="stdio")
    parser.add_argument("--host", default="127.0.0.1", help="for http; there is no authentication")
    parser.add_argument("--port", type=port, default=8000, help="for http (default 8000)")
    options = parser.parse_args(arguments)
    try:
        options.drawn = None if options.latency == RECORDED else seconds(options.latency)
    except ValueError as error:
        parser.error(f"--latency {error}")
    return options
