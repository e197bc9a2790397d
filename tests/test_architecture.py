"""The house rules of the code itself: imports point one way, every module says what it is, nothing grows too long."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "paste_mcp"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "_data" not in path.relative_to(PACKAGE).parts)
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

modules = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


def test_imports_point_one_way():
    """The contracts are in pyproject.toml. Run apart: import-linter puts the working directory on `sys.path`."""
    command = (
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    )
    run = subprocess.run(
        [sys.executable, "-c", command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


PRIVATE = ("mcp.server.connection", "mcp.server.runner", "mcp.shared.jsonrpc_dispatcher")


@modules
def test_only_one_module_touches_the_sdks_private_parts(path):
    """import-linter sees other packages as one piece, so this contract cannot be one of its own."""
    if path == PACKAGE / "proxy" / "sdk.py":
        return
    imported = {
        node.module
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert not {name for name in imported if name.startswith("mcp") and (name in PRIVATE or "._" in name)}


@modules
def test_a_module_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "no module docstring"


@modules
def test_a_file_is_short_enough_to_read(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


@modules
def test_every_function_is_short_enough_to_read(path):
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {node.name: lines for node in functions if (lines := node.end_lineno - node.lineno + 1) > MAX_FUNCTION_LINES}
    assert not long


def test_there_is_something_to_check():
    assert PACKAGE / "core" / "engine.py" in MODULES
