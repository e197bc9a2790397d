"""The sections of the config file as pydantic models: strict types, no unknown keys, units in the names.

Defaults of the limits are the core's own (`Limits`), so that they stand in one place.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from paste_mcp.config.auth import Auth
from paste_mcp.config.section import Section, Text, Texts
from paste_mcp.core.patterns.paths import PathError, compile_path
from paste_mcp.core.speculation.settings import Limits, Mode, ServerPolicy, Site

_CORE = Limits()

Files: TypeAlias = Annotated[tuple[Annotated[Path, Field(strict=False)], ...], Field(strict=False)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=1024)]
Bytes: TypeAlias = Annotated[int, Field(ge=1, le=2**34)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

LONGEST_TTL_S = 300.0
"""Seconds. What changes outside the proxy is not seen by it; nothing older than this is ever served."""


class LimitsSection(Section):
    """`paste.limits`: bounds on what speculation may use; they never hold back a demand call."""

    total: Count = _CORE.total
    """Speculative calls in flight at once, over all sessions and servers."""
    per_session: Count = _CORE.per_session
    """Speculative calls in flight at once for one session."""
    per_server: Count = _CORE.per_server
    """Speculative calls in flight at once on one server, where it works on several at a time; else one."""
    per_host: Count = _CORE.per_host
    """Speculative calls in flight at once on all servers of one remote host."""
    per_trigger: Count = _CORE.per_trigger
    """Speculative calls chosen at most when one result has returned."""
    ttl_s: Annotated[float, Field(gt=0, le=LONGEST_TTL_S, allow_inf_nan=False)] = _CORE.ttl_s
    """Seconds that a ready result may be served after it arrived."""
    call_timeout_s: Seconds = _CORE.call_timeout_s
    """Seconds that a speculative call may run before it is given up."""
    result_bytes: Bytes = _CORE.result_bytes
    """Bytes of the largest result that is kept; a larger one is dropped."""
    buffer_bytes: Bytes = _CORE.buffer_bytes
    """Bytes of all ready results that are kept at once."""
    launch_cost_s: Seconds = _CORE.launch_cost_s
    """Seconds that a launch costs by itself: what is not worth more than that is not guessed."""

    def to_core(self) -> Limits:
        """The same numbers as the core reads them."""
        return Limits(**self.model_dump())


class SpeculationSection(Section):
    """`speculation` written as an object."""

    mode: Mode | None = None
    """How far to go. Without it: `listed` where there is an `allow`, else `shadow`."""
    closed_world: bool = False
    """An absent openWorldHint on this server means closed."""
    allow: Texts | None = None
    """Globs over the server's own tool names: tools that the user vouches for."""
    deny: Texts = ()
    """Globs over the server's own tool names: tools that are never called ahead. Beats `allow`."""

    def to_core(self) -> ServerPolicy:
        """The policy that this object means."""
        mode = self.mode or ("shadow" if self.allow is None else "listed")
        return ServerPolicy(mode=mode, closed_world=self.closed_world, allow=self.allow or (), deny=self.deny)


class ServerFacts(Section):
    """What the user knows of a server, whatever may be called ahead on it: further keys of its entry."""

    approval: Texts = ()
    """Globs over the server's own tool names: tools that the user wants to be asked about, and so never run early."""
    cost: Literal["free", "metered"] | None = None
    """What calls cost. None: nothing for a process of ours, unknown for a remote server."""
    hosts: Texts | None = None
    """Globs over host names that URLs in guesses may point to; None for any public host."""
    ttl_s: Annotated[float, Field(ge=0, le=LONGEST_TTL_S, allow_inf_nan=False)] | None = None
    """Seconds that a ready result of this server may be served; None for the general limit."""
    invalidates: Texts | None = None
    """Aliases of the servers whose results a write on this one makes stale, beside its own; None for all."""
    ignore: Texts = ()
    """JSONPaths of what may differ between two answers to the same call, such as timings."""

    @field_validator("ignore")
    @classmethod
    def _paths(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            try:
                compile_path(path)
            except PathError as error:
                raise ValueError(str(error)) from None
        return paths

    def refine(self, policy: ServerPolicy, *, remote: bool) -> ServerPolicy:
        """The user's word on this server, with what is known of it."""
        return replace(
            policy,
            approval=self.approval,
            cost=self.cost or ("unknown" if remote else "free"),
            hosts=self.hosts,
            ttl_s=self.ttl_s,
            invalidates=self.invalidates,
            ignore=self.ignore,
        )


class Paste(Section):
    """`paste`, read: what holds for all servers."""

    speculation: ServerPolicy | None = None
    """The policy of servers that say nothing themselves; None where the file does not say either."""
    limits: Limits = _CORE
    """Bounds on what speculation may use."""
    record: Literal["derivations", "full", "off"] = "derivations"
    """What is kept of a session: where arguments came from without the values, everything, or nothing."""
    learning: Literal["on", "off"] = "on"
    """Learn from the calls that pass, for later sessions, too: what follows what, and where arguments come from."""
    history: bool = False
    """Keep short texts that calls sent as well (never what looks like a secret), so that they can be foreseen again."""
    audit: Literal["on", "off"] = "on"
    """Write down every call that is made, by whom and why, without its values."""
    verify: Share = 0.0
    """Of the results served from guesses, how many are fetched once more and compared."""
    catalogue: Files = ()
    """Files that say what tools of known servers do; they come before the shipped one. Paths as for `patterns`."""
    patterns: Files = ()
    """Pattern files, absolute, in the order of the file; there, relative paths start at the config file's folder."""
    default_patterns: bool = True
    """Use the shipped patterns as well."""
    ab: Annotated[int, Field(ge=0, le=100)] | None = None
    """Percent of the sessions that speculate; the others send nothing and are recorded beside them. None: all do."""
    prefix: bool = True
    """Put the server's alias before its tools' names. May be false where there is exactly one server."""
    start_timeout_s: Seconds = 30.0
    """Seconds that a server may take to start and to answer for the first time."""
    auth: Auth | None = None
    """Who may use the proxy where it listens; None for everybody on this machine."""


class ServerConfig(Section):
    """A server, read: a process of ours (`stdio`) or a URL. Placeholders are filled in.

    What may hold secrets is kept out of repr.
    """

    type: Literal["stdio", "sse", "http"]
    """The transport: a process's pipes, server-sent events (the old remote one), or streamable HTTP."""
    command: Text | None = None
    """The program; set where the type is stdio, and only there."""
    args: Annotated[tuple[str, ...], Field(strict=False, repr=False)] = ()
    """The program's arguments."""
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    """Environment variables on top of those that every server gets."""
    cwd: Text | None = None
    """The program's working directory, absolute; None for that of the proxy."""
    url: Annotated[Text | None, Field(repr=False)] = None
    """Where a remote server is, http or https; set where the type is not stdio, and only there."""
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    """Headers that every request to a remote server carries."""
    auth: Literal["oauth"] | None = None
    """How to log in to a remote server; None where it needs no more than its headers."""
    start_timeout_s: Seconds = 30.0
    """Seconds that this server may take to start and to answer for the first time."""
    call_timeout_s: Seconds | None = None
    """Seconds that a call to this server may take without a word, not even progress; None for as long as it likes."""
    shared: bool = False
    """One connection for all sessions, instead of one for each."""

    def site(self) -> Site:
        """Where it runs, as the scheduler reads it."""
        return Site(host=urlsplit(self.url).hostname if self.url else None, shared=self.shared)

    def launch(self) -> dict[str, Any]:
        """What tells this server, launched this way, from any other."""
        return self.model_dump(exclude={"start_timeout_s", "call_timeout_s", "shared"})
