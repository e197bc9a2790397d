"""Packages of npm's registry that tests run: installed once, into a folder outside the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path

OLDEST_NODE = 22
"""Node 20 lacks `fs.globSync`, which the conformance suite needs."""
INSTALL_TIMEOUT_S = 180


class Missing(Exception):
    """What is asked for cannot be had here; the message says why."""


def node_and_npm() -> tuple[Path, Path]:
    """Those of this environment, else the system's. Raises `Missing`."""
    own = Path(sys.executable).parent
    for folder in (own, own / "Scripts", None):
        node, npm = (shutil.which(name, path=None if folder is None else str(folder)) for name in ("node", "npm"))
        if node is None or npm is None:
            continue
        told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        if (version := re.match(r"v(\d+)\.", told)) and int(version[1]) >= OLDEST_NODE:
            return Path(node), Path(npm)
    raise Missing(f"no node {OLDEST_NODE} or newer with npm: pip install 'paste-mcp[conformance]'")


def cache_folder(name: str) -> Path:
    """A folder that outlives the run, outside the checkout, so that neither linters nor wheels see it."""
    return user_cache_path("paste-mcp") / name


def install(npm: Path, home: Path, *packages: str) -> None:
    """Install these into `home`. Raises `Missing`."""
    home.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(npm.parent), os.environ.get("PATH", "")])
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]
    try:
        done = subprocess.run(
            [npm, "install", "--prefix", home, *options, *packages],
            env={**os.environ, "PATH": path},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"npm did not install {', '.join(packages)} within {INSTALL_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise Missing(f"npm could not install {', '.join(packages)}: {done.stderr.strip()[-300:]}")
