"""Starts the servers of a configuration and lists what they offer, and what the policy makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from paste_mcp.config import Config
from paste_mcp.core.model import Tool
from paste_mcp.core.speculation.policy import Decision, decide_tool
from paste_mcp.core.speculation.settings import ServerPolicy
from paste_mcp.proxy import clock
from paste_mcp.proxy.catalogue import Catalogue, tool_of
from paste_mcp.proxy.downstream import Link
from paste_mcp.proxy.greeting import Host
from paste_mcp.proxy.sdk import Connect, MCPError
from paste_mcp.proxy.vetting import Vetting


@dataclass(frozen=True, slots=True)
class ToolReport:
    """One tool: how hosts see it, what it says of itself, and whether it may run early."""

    shown: str
    tool: Tool
    decision: Decision


@dataclass(slots=True)
class ServerReport:
    """One server: what the user said of it, which protocol it speaks and its tools, or why it did not start."""

    alias: str
    policy: ServerPolicy
    version: str | None = None
    problem: str | None = None
    start_s: float | None = None
    """Seconds until it was ready or given up."""
    tools: list[ToolReport] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    """Tools that had changed, and that the user has accepted now."""

    @property
    def mode(self) -> str:
        return self.policy.mode


async def inspect(
    config: Config, connects: Mapping[str, Connect], vetting: Vetting | None = None, *, accept: bool = False
) -> list[ServerReport]:
    """Start every server side by side, ask for its tools, stop it again. With `accept` the tools are as they should be
    from now on.
    """
    reports = {alias: ServerReport(alias, config.policy(alias)) for alias in config.servers}
    catalogue = Catalogue(config.servers, prefix=config.paste.prefix)
    async with anyio.create_task_group() as tasks:
        for alias, report in reports.items():
            tasks.start_soon(_inspect, config, connects[alias], catalogue, report, vetting, accept)
    return list(reports.values())


async def _inspect(
    config: Config,
    connect: Connect,
    catalogue: Catalogue,
    report: ServerReport,
    vetting: Vetting | None,
    accept: bool,
) -> None:
    host = Host({"name": "paste-mcp check", "version": "0"}, {}, modern=True)
    link = Link(report.alias, connect, host, config.servers[report.alias].start_timeout_s)
    began = clock.now()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.run, _refuse, _ignore, _no_more, lambda _: None)
        await link.settled()
        report.start_s = clock.now() - began
        try:
            if link.greeting is None or not link.up:
                report.problem = link.problem
            else:
                report.version = link.greeting.version
                if "tools" in link.greeting.capabilities:
                    tools, barred = _vetted(vetting, link, await _tools(link), report if accept else None)
                    report.tools = [
                        ToolReport(
                            catalogue.expose(tool.server, tool.name),
                            tool,
                            decide_tool(report.policy, tool, barred.get(tool.name)),
                        )
                        for tool in tools
                    ]
        except MCPError as error:
            report.problem = str(error)
        tasks.cancel_scope.cancel()


async def _tools(link: Link) -> list[Tool]:
    return [tool_of(link.alias, raw) for raw in (await link.list_all("tools/list", "tools"))["tools"]]


def _vetted(
    vetting: Vetting | None, link: Link, tools: list[Tool], accepting: ServerReport | None
) -> tuple[list[Tool], dict[str, str]]:
    """The tools with what is known of them, and those that must not run early, with the reason."""
    if vetting is None or link.greeting is None:
        return tools, {}
    known = vetting.reviewed(link.alias, link.greeting.name, tools)
    if accepting is not None:
        accepting.accepted = vetting.accept(link.alias, known)
    return known, vetting.doubts(link.alias, known)


async def _refuse(_: Link, method: str, __: dict[str, Any]) -> dict[str, Any]:
    if method == "ping":
        return {}
    raise MCPError(-32601, "Method not found", method)


async def _ignore(_: Link, __: str, ___: dict[str, Any] | None) -> None:
    return None


async def _no_more(_: Link) -> None:
    return None
