"""The official conformance suite: found or installed, run, and its results read."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

PACKAGE = "@modelcontextprotocol/conformance"
OLDEST_NODE = 22
"""Node 20 lacks `fs.globSync`, and the suite ends with a traceback."""
INSTALL_TIMEOUT_S = 180
RUN_TIMEOUT_S = 300

Check = tuple[str, str, str]
"""Id, name, status."""
Results = dict[str, Counter[Check]]
"""By scenario. What is merely information is left out: it counts messages."""


class Missing(Exception):
    """The suite cannot be had here; the message says why."""


@dataclass(frozen=True)
class Suite:
    node: Path
    script: Path

    def server(self, url: str, requirements: str | None, out: Path) -> Results:
        """Every scenario for servers that this version, or this revision of the protocol, has."""
        chosen = ["--requirements", requirements] if requirements else []
        return self._run(["server", "--url", url, *chosen], out, {})

    def client(self, command: str, scenario: str, spec_version: str, out: Path) -> Results:
        """One scenario for clients; the suite starts the client."""
        return self._run(
            ["client", "--command", command, "--scenario", scenario, "--spec-version", spec_version],
            out,
            {"MCP_CONFORMANCE_PROTOCOL_VERSION": spec_version},
        )

    def _run(self, arguments: list[str], out: Path, environment: dict[str, str]) -> Results:
        # A scenario that fails is a result, not an error: direct and proxied fail alike.
        done = subprocess.run(
            [self.node, self.script, *arguments, "--output-dir", out],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        results = read(out)
        assert results, f"the suite left no results:\n{done.stdout}\n{done.stderr}"
        return results


def read(out: Path) -> Results:
    """What a run wrote: a folder for each scenario, named by it and the time."""
    results: Results = {}
    for path in sorted(out.rglob("checks.json")):
        # Scenarios of some groups are named with a slash, and so lie a folder deeper.
        name = re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", path.parent.relative_to(out).as_posix()).removeprefix("server-")
        checks = json.loads(path.read_text())
        results[name] = Counter(
            (check["id"], check["name"], check["status"]) for check in checks if check["status"] != "INFO"
        )
    return results


def counts(results: Results) -> str:
    """How many checks ended how, for a report."""
    total = Counter(status for checks in results.values() for (_, _, status), n in checks.items() for _ in range(n))
    return ", ".join(f"{n} {status.lower()}" for status, n in sorted(total.items()))


# --- having it ------------------------------------------------------------------------------------------------------


def suite(version: str) -> Suite:
    """This version of the suite, installed if it is not. Raises `Missing`."""
    node, npm = _node()
    # Outside the checkout, so that neither linters nor wheels see it.
    home = Path(os.environ.get("PASTE_MCP_CONFORMANCE_DIR") or user_cache_path("paste-mcp") / "conformance") / version
    script = home / "node_modules" / PACKAGE / "dist" / "index.js"
    if not script.exists():
        _install(npm, version, home)
    return Suite(node, script)


def _node() -> tuple[Path, Path]:
    own = Path(sys.executable).parent
    for folder in (own, own / "Scripts", None):
        node, npm = (shutil.which(name, path=None if folder is None else str(folder)) for name in ("node", "npm"))
        if node is None or npm is None:
            continue
        told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        if (version := re.match(r"v(\d+)\.", told)) and int(version[1]) >= OLDEST_NODE:
            return Path(node), Path(npm)
    raise Missing(f"no node {OLDEST_NODE} or newer with npm: pip install 'paste-mcp[conformance]'")


def _install(npm: Path, version: str, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(npm.parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            [
                npm,
                "install",
                "--prefix",
                home,
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--fetch-retries=1",
                f"{PACKAGE}@{version}",
            ],
            env={**os.environ, "PATH": path},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"npm did not install {PACKAGE}@{version} within {INSTALL_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise Missing(f"npm could not install {PACKAGE}@{version}: {done.stderr.strip()[-300:]}")
