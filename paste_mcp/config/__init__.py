"""The config file: the `mcpServers` JSON that people already have, and a `paste` section.

`load_config` reads a file, `parse_config` data of its shape; both give a `Config` or raise a `ConfigError` of one
line. What the core reads of it are its own dataclasses (`ServerPolicy`, `Limits`).

    load      file -> data -> Config: the order of the steps
    jsonc     JSON with comments, and in which line something is wrong
    clients   other clients' dialects: which keys are read, refused as near-misses, or left aside with a warning
    servers   one server's entry
    auth      who may use a proxy that listens
    expand    ${NAME} and ~
    section   what all sections have in common
    models    the sections as pydantic models, with units
    check     data against a model, errors in the user's words
    errors    ConfigError, places, near-misses
"""

from paste_mcp.config.errors import ConfigError
from paste_mcp.config.load import Config, load_config, parse_config
from paste_mcp.config.models import Paste, ServerConfig

__all__ = ["Config", "ConfigError", "Paste", "ServerConfig", "load_config", "parse_config"]
