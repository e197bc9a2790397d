"""How a client is to start this very paste-mcp: always by an absolute path, as desktop clients know no shell's PATH."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname


@dataclass(frozen=True, slots=True)
class Launcher:
    """The program and its first arguments, and why this one was chosen."""

    command: str
    args: tuple[str, ...]
    why: str


def launcher(executable: str = sys.executable, environ: Mapping[str, str] = os.environ) -> Launcher:
    """This installation's own script; `uvx` where it runs out of uv's cache, which uv empties as it likes."""
    if _in_uv_cache(Path(executable), environ) and (uvx := shutil.which("uvx", path=environ.get("PATH"))) is not None:
        origin = _origin()
        given = ("--from", origin, "paste-mcp") if origin else ("paste-mcp",)
        return Launcher(str(Path(uvx).absolute()), given, "uvx, as this paste-mcp runs out of uv's cache")
    # Not resolved: an environment's python is a link to another one, which does not have paste-mcp.
    script = Path(executable).absolute().with_name("paste-mcp.exe" if os.name == "nt" else "paste-mcp")
    if script.is_file():
        return Launcher(str(script), (), "this installation")
    return Launcher(str(Path(executable).absolute()), ("-m", "paste_mcp"), "this installation's Python")


def _in_uv_cache(executable: Path, environ: Mapping[str, str]) -> bool:
    """The program lies in one of the environments that uv makes for one run."""
    if (cache := environ.get("UV_CACHE_DIR")) and Path(cache) in executable.parents:
        return True
    return any(
        folder == "uv" and below.startswith(("archive-v", "environments-v", "builds-v", "cache"))
        for folder, below in pairwise(executable.parts)
    )


def _origin() -> str | None:
    """Where this package was installed from, if not from an index."""
    try:
        written = distribution("paste-mcp").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    if not written:
        return None
    said = json.loads(written)
    url = str(said.get("url", ""))
    if url.startswith("file:"):
        return url2pathname(urlsplit(url).path)
    if vcs := said.get("vcs_info"):
        return f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return url or None
