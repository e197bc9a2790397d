"""The official conformance suite: found or installed, run, and its results read."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from npm_packages import cache_folder, install, node_and_npm

PACKAGE = "@modelcontextprotocol/conformance"
RUN_TIMEOUT_S = 300

Check = tuple[str, str, str]
"""Id, name, status."""
Results = dict[str, Counter[Check]]
"""By scenario. What is merely information is left out: it counts messages."""


@dataclass(frozen=True)
class Suite:
    node: Path
    script: Path

    def server(self, url: str, requirements: str | None, out: Path) -> Results:
        """Every scenario for servers that this version, or this revision of the protocol, has."""
        asked = ["server", "--url", url, *(["--requirements", requirements] if requirements else [])]
        results = self._run(asked, out, {})
        # Some scenarios wait for a second and warn: on a machine with much else to do, they are asked once more.
        for scenario in [name for name, checks in results.items() if worst(checks) == "WARNING"]:
            again = self._run([*asked[:3], "--scenario", scenario], out / "again" / scenario, {})
            results[scenario] = again.get(scenario, results[scenario])
        return results

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


def worst(checks: Counter[Check]) -> str:
    """FAILURE, WARNING or nothing of the kind."""
    statuses = {status for _, _, status in checks}
    return next((status for status in ("FAILURE", "WARNING") if status in statuses), "")


def counts(results: Results) -> str:
    """How many checks ended how, for a report."""
    total = Counter(status for checks in results.values() for (_, _, status), n in checks.items() for _ in range(n))
    return ", ".join(f"{n} {status.lower()}" for status, n in sorted(total.items()))


# --- having it ------------------------------------------------------------------------------------------------------


def suite(version: str) -> Suite:
    """This version of the suite, installed if it is not. Raises `Missing`."""
    node, npm = node_and_npm()
    home = Path(os.environ.get("PASTE_MCP_CONFORMANCE_DIR") or cache_folder("conformance")) / version
    script = home / "node_modules" / PACKAGE / "dist" / "index.js"
    if not script.exists():
        install(npm, home, f"{PACKAGE}@{version}")
    return Suite(node, script)
