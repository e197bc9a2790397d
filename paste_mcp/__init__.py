"""paste-mcp: an MCP proxy that runs an agent's likely next read-only calls while the model still thinks.

The map of the house; imports point from top to bottom:

    cli         the verbs
    embedded    the proxy inside another program
    connect     clients' servers moved behind the proxy, and back
    curate      looking after patterns
    app         from a config file to running objects
    proxy       async and thin: carries bytes and carries out commands; `proxy/call.py` is the life of a tool call
    lab         demonstrations and measurements
    store       files: patterns, sessions of the past, what was learnt, what servers offer
    config      the config file
    core        pure: what comes next (`prediction`), is it safe and is it worth it (`speculation`), and one session's
                state (`engine`)

What is public is in `__all__`, and imported when it is first used: `import paste_mcp` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from paste_mcp.version import __version__

if TYPE_CHECKING:
    from paste_mcp.config import Config, ConfigError, load_config, parse_config
    from paste_mcp.core.commands import Cancel, Hit, Join, Launch, Miss, Outcome, Promote
    from paste_mcp.core.engine import Engine
    from paste_mcp.core.model import Hints, Payload, Tool, ToolCall
    from paste_mcp.core.patterns.language import Pattern, PatternError, parse_pool
    from paste_mcp.core.patterns.pool import Pool
    from paste_mcp.core.prediction.predictor import Predictor
    from paste_mcp.core.speculation.budget import Budget
    from paste_mcp.core.speculation.ledger import Ledger
    from paste_mcp.core.speculation.settings import Limits, ServerPolicy
    from paste_mcp.embedded import Embedded, embed
    from paste_mcp.store.pattern_files import PatternFileError, default_patterns, load_patterns

_HOMES = {
    "config": ("Config", "ConfigError", "load_config", "parse_config"),
    "core.commands": ("Cancel", "Hit", "Join", "Launch", "Miss", "Outcome", "Promote"),
    "core.engine": ("Engine",),
    "core.model": ("Hints", "Payload", "Tool", "ToolCall"),
    "core.patterns.language": ("Pattern", "PatternError", "parse_pool"),
    "core.patterns.pool": ("Pool",),
    "core.prediction.predictor": ("Predictor",),
    "core.speculation.budget": ("Budget",),
    "core.speculation.ledger": ("Ledger",),
    "core.speculation.settings": ("Limits", "ServerPolicy"),
    "embedded": ("Embedded", "embed"),
    "store.pattern_files": ("PatternFileError", "default_patterns", "load_patterns"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Budget",
    "Cancel",
    "Config",
    "ConfigError",
    "Embedded",
    "Engine",
    "Hints",
    "Hit",
    "Join",
    "Launch",
    "Ledger",
    "Limits",
    "Miss",
    "Outcome",
    "Pattern",
    "PatternError",
    "PatternFileError",
    "Payload",
    "Pool",
    "Predictor",
    "Promote",
    "ServerPolicy",
    "Tool",
    "ToolCall",
    "__version__",
    "default_patterns",
    "embed",
    "load_config",
    "load_patterns",
    "parse_config",
    "parse_pool",
]


def __getattr__(name: str) -> Any:
    if (home := _HOME.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f"{__name__}.{home}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
