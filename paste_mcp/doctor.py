"""`paste-mcp doctor`: what is wrong with this machine's set-up, and what mends it."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import anyio

from paste_mcp import app
from paste_mcp.config import Config, ConfigError, ServerConfig, load_config
from paste_mcp.connect.clients import Client, Machine, Platform
from paste_mcp.connect.journal import Journal
from paste_mcp.connect.moving import is_ours
from paste_mcp.connect.sites import ConnectError, Found, Site, look, sites
from paste_mcp.proxy.inspect import ServerReport, inspect
from paste_mcp.store.pattern_files import PatternFileError

_DESKTOP_PATH: Final[Mapping[Platform, str]] = {
    "linux": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "darwin": "/usr/bin:/bin:/usr/sbin:/sbin",
}
"""Where programs are looked for that a desktop starts, if nobody has told it more."""
_RUNTIMES: Final[Mapping[str, str]] = {
    "npx": "install Node.js (https://nodejs.org)",
    "node": "install Node.js (https://nodejs.org)",
    "uvx": "install uv (https://docs.astral.sh/uv)",
    "uv": "install uv (https://docs.astral.sh/uv)",
    "docker": "install Docker",
    "bunx": "install Bun (https://bun.sh)",
    "deno": "install Deno (https://deno.com)",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or may be."""

    level: Literal["problem", "warning"]
    about: str
    """The file, folder, server or client."""
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Use:
    """A client's entry that starts the proxy."""

    site: Site
    key: str
    entry: Mapping[str, Any]
    beside: Mapping[str, Any]
    """The other servers of that client's file."""

    @property
    def config(self) -> Path | None:
        """The config file that the entry names."""
        args = list(self.entry.get("args") or ())
        for option in ("--config", "-c"):
            if option in args[:-1]:
                return Path(args[args.index(option) + 1]).expanduser()
        return None


@dataclass(slots=True)
class Doctor:
    """One examination; `findings` grows."""

    machine: Machine
    environ: Mapping[str, str]
    journal: Journal
    state: Path
    findings: list[Finding] = field(default_factory=list)

    def problem(self, about: object, what: str, remedy: str) -> None:
        self.findings.append(Finding("problem", str(about), what, remedy))

    def warning(self, about: object, what: str, remedy: str) -> None:
        self.findings.append(Finding("warning", str(about), what, remedy))

    def examine(self, config: Path | None, project: Path) -> None:
        """Everything: folders, clients' files, config files, and the servers, which are started for it."""
        for folder in (self.state, self.journal.folder):
            self._folder(folder)
        uses = list(self._uses(project))
        for use in uses:
            self._entry(use)
        configs = {config.absolute()} if config is not None else {use.config for use in uses if use.config is not None}
        if not configs:
            self.warning("clients", "none starts paste-mcp", "run: paste-mcp connect")
        for path in sorted(configs):
            self._config(path, [use for use in uses if use.config is not None and _same(use.config, path)])

    # --- folders and clients ----------------------------------------------------------------------------------------

    def _folder(self, folder: Path) -> None:
        if not folder.exists():
            return
        if not folder.is_dir():
            self.problem(folder, "is no folder", "move it away")
        elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            self.problem(folder, "may not be read and written", f"run: chmod u+rwx {shlex.quote(str(folder))}")
        elif os.name == "posix" and stat.S_IMODE(folder.stat().st_mode) & 0o077:
            self.problem(folder, "others may look into it", f"run: chmod 700 {shlex.quote(str(folder))}")

    def _uses(self, project: Path) -> Iterator[Use]:
        """Every entry that starts the proxy, of the user's own files and of the project's."""
        connected = {record.id: record for record in self._records()}
        places = {(site.path, site.keys): site for site in (*sites(self.machine, project), *sites(self.machine))}
        unreadable: set[Path] = set()
        for site in places.values():
            try:
                found = look(site)
            except ConnectError as error:
                if site.path not in unreadable:
                    self.problem(site.client.name, str(error), "mend the file; the client may not read it either")
                unreadable.add(site.path)
                continue
            ours = _ours(found) if found is not None else {}
            if site.id in connected and not ours:
                self.warning(
                    site.path, "its servers moved, but the entry for paste-mcp is gone", "run: paste-mcp disconnect"
                )
            for key, entry in ours.items():
                assert found is not None
                yield Use(site, key, entry, {name: other for name, other in found.servers.items() if name not in ours})

    def _records(self) -> list[Any]:
        try:
            return list(self.journal.records())
        except ConnectError as error:
            self.problem(self.journal.folder, str(error), "remove that file")
            return []

    def _entry(self, use: Use) -> None:
        """Whether the client can start what its entry says."""
        about = f"{use.site.words}: {use.key}"
        command = str(use.entry.get("command") or "")
        if use.entry.get("disabled") is True or use.entry.get("enabled") is False:
            self.warning(about, "is turned off", f"turn it on in {use.site.path}")
        if Path(command).is_absolute():
            if not os.access(command, os.X_OK):
                self.problem(about, f"{command} is not there or cannot be run", self._again(use))
        elif shutil.which(command, path=self.environ.get("PATH")) is None:
            self.problem(about, f"{command} is not found", self._again(use))
        elif use.site.client.desktop and not self._on_desktop(command):
            self.problem(
                about, f"{command} is found in a shell only, and {use.site.client.name} has none", self._again(use)
            )
        if use.config is None:
            self.problem(about, "names no config file", "give it the arguments serve --config FILE")

    @staticmethod
    def _again(use: Use) -> str:
        return f"run: paste-mcp connect {use.site.client.id}; or write an absolute path"

    def _on_desktop(self, command: str) -> bool:
        path = _DESKTOP_PATH.get(self.machine.platform)
        return path is None or shutil.which(command, path=path) is not None

    # --- config files and servers -----------------------------------------------------------------------------------

    def _config(self, path: Path, uses: list[Use]) -> None:
        try:
            config = load_config(path, self.environ)
        except ConfigError as error:
            self.problem(path, str(error).removeprefix(f"{path}: "), "mend it; the proxy does not start before")
            return
        for warning in config.warnings:
            self.warning(path, warning.removeprefix(f"{path}: "), "see the reference of the configuration")
        try:
            app.read_patterns(config, (), self.state)
        except PatternFileError as error:
            self.problem(path, str(error), "mend it; the proxy does not start before")
        secret = any(server.env or server.headers for server in config.servers.values())
        if os.name == "posix" and secret and path.stat().st_mode & 0o077:
            self.problem(
                path, "others may read it, and it may hold secrets", f"run: chmod 600 {shlex.quote(str(path))}"
            )
        runnable = {alias for alias, server in config.servers.items() if self._runtime(alias, server, uses)}
        for use in uses:
            self._copies(use, config)
        started = replace(config, servers={a: s for a, s in config.servers.items() if a in runnable})
        if started.servers:
            reports = anyio.run(inspect, started, app.connectors(started, self.state))
            for report in reports:
                self._started(report, config.servers[report.alias], uses)
            for use in uses:
                self._names(use, reports)

    def _runtime(self, alias: str, server: ServerConfig, uses: list[Use]) -> bool:
        """The program that runs the server is there."""
        if server.command is None:
            return True
        remedy = _RUNTIMES.get(Path(server.command).stem, "install it, or write its absolute path")
        path = server.env.get("PATH") or self.environ.get("PATH")
        if shutil.which(server.command, path=path) is None:
            self.problem(alias, f"{server.command} is not found", remedy)
            return False
        desktops = [use.site.client.name for use in uses if use.site.client.desktop]
        if desktops and not Path(server.command).is_absolute() and "PATH" not in server.env:
            found = shutil.which(server.command, path=path)
            if not self._on_desktop(server.command):
                what = f"{server.command} may not be found when {' or '.join(sorted(set(desktops)))} starts it"
                self.warning(alias, what, f"write its path: {found}")
        return True

    def _started(self, report: ServerReport, server: ServerConfig, uses: list[Use]) -> None:
        if report.problem is not None:
            self.problem(report.alias, f"did not start: {report.problem}", _mend(report.alias, server))
            return
        for use in uses:
            limit = float(use.entry.get("startup_timeout_sec") or use.site.client.start_limit_s)
            if report.start_s is not None and report.start_s > limit:
                self.warning(
                    report.alias,
                    f"took {report.start_s:.0f} s to start, and {use.site.client.name} waits {limit:.0f} s",
                    "install it instead of fetching it at each start (uv tool install, npm install -g)",
                )

    def _names(self, use: Use, reports: list[ServerReport]) -> None:
        """Names that the client's model cannot be given, and more tools than the client offers."""
        client: Client = use.site.client
        shown = [(report.alias, tool.shown) for report in reports for tool in report.tools]
        for alias, name in shown:
            full = client.tool_name.format(key=use.key, tool=name)
            if len(full) > client.longest_name:
                what = f"{full} has {len(full)} characters, and {client.name} takes {client.longest_name}"
                self.problem(alias, what, f"call the entry {use.key} in {use.site.path} something shorter")
        if client.most_tools is not None and len(shown) > client.most_tools:
            what = f"{len(shown)} tools, and {client.name} offers {client.most_tools} to its model"
            self.warning(use.site.words, what, "turn some off in the client")

    def _copies(self, use: Use, config: Config) -> None:
        """Servers that run behind the proxy and beside it."""
        behind = {_launch(server.command, server.args, server.url): alias for alias, server in config.servers.items()}
        for name, entry in use.beside.items():
            if not isinstance(entry, Mapping) or entry.get("disabled") is True or entry.get("enabled") is False:
                continue
            url = next((entry[key] for key in ("url", "serverUrl", "httpUrl") if key in entry), None)
            launch = _launch(entry.get("command"), entry.get("args") or (), url)
            if launch in behind:
                what = f"runs beside the proxy in {use.site.client.name} and behind it as {behind[launch]}"
                self.problem(name, what, f"take one of the two out: {use.site.path} or {use.config}")


def _mend(alias: str, server: ServerConfig) -> str:
    """What to do about a server that does not start."""
    if server.auth is not None:
        return f"log in: paste-mcp login {alias} --config FILE; or see that its URL is reached from here"
    if server.url is not None:
        return "see that its URL is reached from here, and that its headers are right"
    return "try its command in a shell"


def _ours(found: Found) -> dict[str, Mapping[str, Any]]:
    return {name: entry for name, entry in found.servers.items() if is_ours(entry)}


def _launch(command: Any, args: Any, url: Any) -> tuple[Any, ...]:
    """What makes two servers the same one."""
    return (Path(str(command)).name if command else None, tuple(map(str, args)), url)


def _same(one: Path, other: Path) -> bool:
    return one.absolute() == other.absolute() or (one.exists() and other.exists() and one.samefile(other))
