"""Which package a launch command starts, as far as the command itself says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

_RUNNERS: Final = {
    "npx": "",
    "bunx": "",
    "pnpx": "",
    "uvx": "",
    "uv": "run",
    "pipx": "run",
    "pnpm": "dlx",
    "yarn": "dlx",
}
"""Programs that start a package, and the word after which they name it."""
_SAY_PACKAGE: Final = frozenset({"--package", "--from", "--spec"})
_TAKE_VALUE: Final = frozenset(
    "--python --with --with-editable --directory --project --index --index-url --default-index --extra-index-url "
    "--cache --cache-dir --registry --env-file --prefix --refresh-package -w --workspace -C --dir".split()
)
"""Options of these runners whose next word is theirs."""
_VERSION: Final = re.compile(r"(?<=.)(?:[\[@<>]|[=!~]=).*")
_INSTALLED: Final = re.compile(r".*[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\.][^/\\]*)[/\\]")
_PYTHON: Final = re.compile(r"(?:python|pypy)[\d.]*t?")


def package_of(command: str, args: Sequence[str]) -> str | None:
    """The package, Python module or program that this command starts, folded; None where it does not say.

    The user wrote the command, so what it names is what it starts. Folded: small letters, `-` for `_`, no version, so
    that `python -m mcp_server_git` and `uvx mcp-server-git@latest` come to the same.
    """
    program = _program(command)
    if _PYTHON.fullmatch(program):
        return fold(args[args.index("-m") + 1]) if "-m" in args[:-1] else None
    if program in ("node", "bun", "deno"):
        found = next((m for arg in args if (m := _INSTALLED.match(arg))), None)
        return fold(found[1].replace("\\", "/")) if found else None
    if program in _RUNNERS:
        return _named(program, list(args))
    return fold(program) if program else None


def fold(name: str) -> str:
    """A package's name without what does not tell packages apart."""
    return _VERSION.sub("", name.strip()).lower().replace("_", "-")


def _named(runner: str, args: list[str]) -> str | None:
    word = _RUNNERS[runner]
    if runner == "uv" and args[:2] == ["tool", "run"]:
        args = args[2:]
    elif word:
        if word not in args:
            return None
        args = args[args.index(word) + 1 :]
    say_package = _SAY_PACKAGE | ({"-p"} if runner in ("npx", "bunx", "pnpx") else set())
    take_value = _TAKE_VALUE | ({"-p"} if runner in ("uv", "uvx") else set())
    while args:
        arg, *args = args
        option, equals, value = arg.partition("=")
        if option in say_package:
            return fold(value if equals else args[0]) if equals or args else None
        if arg in take_value:
            args = args[1:]
        elif arg in ("-m", "--module"):
            return fold(args[0]) if args else None
        elif not arg.startswith("-"):
            name = _program(arg) if "/" in arg and not arg.startswith("@") else arg
            return None if _PYTHON.fullmatch(name) and "-m" not in args else _after_python(name, args)
    return None


def _after_python(name: str, args: list[str]) -> str | None:
    """`uv run python -m MODULE` starts the module."""
    if not _PYTHON.fullmatch(name):
        return fold(name)
    at = args.index("-m") + 1
    return fold(args[at]) if at < len(args) else None


def _program(command: str) -> str:
    name = PureWindowsPath(PurePosixPath(command).name).name.lower()
    return name.removesuffix(".exe").removesuffix(".cmd").removesuffix(".bat")
