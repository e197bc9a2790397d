"""Where the files that come with the package are: the shipped patterns and the example servers.

A wheel carries them inside the package; in a checkout they lie beside it, where people edit them.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_path(name: str) -> Path:
    """The path of a shipped file or folder such as `patterns.yaml` or `servers`. It is not checked to exist."""
    installed = _PACKAGE / "_data" / name
    return installed if installed.exists() else _PACKAGE.parent / name
