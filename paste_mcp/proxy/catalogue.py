"""What the servers of one session offer, and under which names the host sees it.

Definitions are kept raw, as they came; the core reads only what `Tool` holds of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.model import Hints, Tool
from paste_mcp.proxy.names import exposed, split

_DEFINING = ("name", "title", "description", "inputSchema", "outputSchema", "annotations", "execution")


class Catalogue:
    """Names of one session, both ways. `prefix` is False where a single server is wrapped as it is."""

    def __init__(self, aliases: Iterable[str], *, prefix: bool) -> None:
        self._aliases = list(aliases)
        self.prefixed = prefix
        self._cut: dict[str, tuple[str, str]] = {}
        self._schemas: dict[tuple[str, str], dict[str, Any]] = {}
        self._owners: dict[str, str] = {}
        self._templates: dict[str, str] = {}

    def expose(self, alias: str, name: str) -> str:
        """The host's name for this tool or prompt."""
        if not self.prefixed:
            return name
        shown = exposed(alias, name)
        if split(shown) != (alias, name):
            self._cut[shown] = (alias, name)
        return shown

    def resolve(self, shown: str) -> tuple[str, str] | None:
        """(alias, own name) behind a name that the host uses; None where no server of this session can have it."""
        if not self.prefixed:
            return (self._aliases[0], shown)
        found = self._cut.get(shown) or split(shown)
        return found if found is not None and found[0] in self._aliases else None

    def set_tools(self, alias: str, definitions: list[Any]) -> list[Tool]:
        """Remember the server's tools; returns them as the core sees them."""
        self._schemas = {key: schema for key, schema in self._schemas.items() if key[0] != alias}
        named = [raw for raw in definitions if isinstance(raw, dict) and isinstance(raw.get("name"), str)]
        tools = [tool_of(alias, raw) for raw in named]
        for tool in tools:
            self._schemas[alias, tool.name] = dict(tool.input_schema)
            self.expose(alias, tool.name)
        return tools

    def schema(self, alias: str, tool: str) -> dict[str, Any] | None:
        """The tool's input schema, if it was listed."""
        return self._schemas.get((alias, tool))

    def own(self, alias: str, uri: str) -> None:
        """This server listed this resource. The first to list a URI keeps it."""
        self._owners.setdefault(uri, alias)

    def own_template(self, alias: str, template: str) -> None:
        self._templates.setdefault(template.partition("{")[0], alias)

    def owners(self, uri: str) -> list[str]:
        """The servers that are known to have this resource, or one like it, the likeliest first."""
        likely = [self._owners[uri]] if uri in self._owners else []
        fits = [start for start in self._templates if start and uri.startswith(start)]
        likely += [self._templates[start] for start in sorted(fits, key=len, reverse=True)]
        return list(dict.fromkeys(likely))


def tool_of(alias: str, raw: Mapping[str, Any]) -> Tool:
    """A raw definition as the core sees it. Hints that are no booleans count as absent."""
    annotations = raw.get("annotations")
    given = annotations if isinstance(annotations, Mapping) else {}

    def hint(name: str) -> bool | None:
        value = given.get(name)
        return value if isinstance(value, bool) else None

    schema = raw.get("inputSchema")
    return Tool(
        server=alias,
        name=raw["name"],
        hints=Hints(hint("readOnlyHint"), hint("destructiveHint"), hint("idempotentHint"), hint("openWorldHint")),
        input_schema=schema if isinstance(schema, Mapping) else {},
        definition=_digest({key: raw[key] for key in _DEFINING if key in raw}),
    )


def _digest(definition: dict[str, Any]) -> str:
    try:
        return hashlib.sha256(canonical(definition)).hexdigest()
    except Unkeyable:
        # No two readings of it agree, so it must never equal anything, itself included.
        return f"unreadable {id(definition)}"
