"""The clients: one row each. What a row says is all that is known of a client; nothing else names one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Platform: TypeAlias = Literal["linux", "darwin", "win32"]
Variable: TypeAlias = Literal["${NAME}", "${env:NAME}", "$NAME", "${userHome}"]

ROOTS: Final[Mapping[str, tuple[str | None, str]]] = MappingProxyType(
    {
        "home": (None, "{home}"),
        "config": ("XDG_CONFIG_HOME", "{home}/.config"),
        "appdata": ("APPDATA", "{home}/AppData/Roaming"),
        "codex": ("CODEX_HOME", "{home}/.codex"),
        "claude": ("CLAUDE_CONFIG_DIR", "{home}"),
    }
)
"""Where the paths below begin: the environment variable that says so, and the folder where it is not set."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client of MCP servers, and how it keeps them."""

    id: str
    """What it is called on the command line."""
    name: str
    user: Mapping[Platform, str]
    """The user's own file."""
    keys: tuple[str, ...] = ("mcpServers",)
    """Where in the file the servers are."""
    project: str | None = None
    """The file in a project's folder."""
    in_project: tuple[str, ...] = ()
    """Where in the user's file the servers of one project are; `{project}` is its folder."""
    format: Literal["jsonc", "toml"] = "jsonc"
    typed: bool = False
    """An entry says `"type": "stdio"`."""
    variables: tuple[Variable, ...] = ()
    """Which placeholders it fills in. In any other client's file such a text is only a text."""
    passes_on: Literal["env", "env_vars"] | None = None
    """It keeps variables of its environment from servers, unless an entry names them: under this key."""
    timeouts: tuple[str, ...] = ()
    """Keys of its entries with a time limit that holds for the proxy, too: the longest of the moved ones is kept."""
    start_limit_s: float = 60.0
    """Seconds after which it gives a server up that has not started."""
    tool_name: str = "mcp__{key}__{tool}"
    """How its model sees a tool."""
    longest_name: int = 64
    """Characters of that which reach the model; longer ones are left out or cut."""
    most_tools: int | None = None
    """Tools that it offers to its model at most."""
    desktop: bool = False
    """Started from a desktop, with the desktop's PATH instead of a shell's."""
    again: str = "restart it"
    """What makes it read its file again."""


def _editor(folder: str, file: str) -> dict[Platform, str]:
    """Where an editor of VS Code's family keeps a user's file."""
    return {
        "linux": f"{{config}}/{folder}/User/{file}",
        "darwin": f"{{home}}/Library/Application Support/{folder}/User/{file}",
        "win32": f"{{appdata}}/{folder}/User/{file}",
    }


def _anywhere(path: str) -> dict[Platform, str]:
    return {"linux": path, "darwin": path, "win32": path}


_CLINE: Final = "globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"

CLIENTS: Final[tuple[Client, ...]] = (
    Client(
        "claude-desktop",
        "Claude Desktop",
        {
            "linux": "{config}/Claude/claude_desktop_config.json",
            "darwin": "{home}/Library/Application Support/Claude/claude_desktop_config.json",
            "win32": "{appdata}/Claude/claude_desktop_config.json",
        },
        desktop=True,
        again="quit it and start it again",
    ),
    Client(
        "claude-code",
        "Claude Code",
        _anywhere("{claude}/.claude.json"),
        project=".mcp.json",
        in_project=("projects", "{project}", "mcpServers"),
        typed=True,
        variables=("${NAME}",),
        start_limit_s=30.0,
        longest_name=128,
        again="start a new session",
    ),
    Client(
        "cursor",
        "Cursor",
        _anywhere("{home}/.cursor/mcp.json"),
        project=".cursor/mcp.json",
        variables=("${env:NAME}", "${userHome}"),
        tool_name="{key}{tool}",
        longest_name=60,
        desktop=True,
        again="restart it, or turn the server off and on in its settings",
    ),
    Client(
        "vscode",
        "VS Code",
        _editor("Code", "mcp.json"),
        keys=("servers",),
        project=".vscode/mcp.json",
        typed=True,
        variables=("${env:NAME}", "${userHome}"),
        tool_name="mcp_{key}_{tool}",
        most_tools=128,
        desktop=True,
        again="run `MCP: List Servers` and start it",
    ),
    Client(
        "vscode-insiders",
        "VS Code Insiders",
        _editor("Code - Insiders", "mcp.json"),
        keys=("servers",),
        typed=True,
        variables=("${env:NAME}", "${userHome}"),
        tool_name="mcp_{key}_{tool}",
        most_tools=128,
        desktop=True,
        again="run `MCP: List Servers` and start it",
    ),
    Client(
        "windsurf",
        "Windsurf",
        _anywhere("{home}/.codeium/windsurf/mcp_config.json"),
        variables=("${env:NAME}",),
        desktop=True,
        again="refresh its plugins",
    ),
    Client(
        "zed",
        "Zed",
        {
            "linux": "{config}/zed/settings.json",
            "darwin": "{home}/.config/zed/settings.json",
            "win32": "{appdata}/Zed/settings.json",
        },
        keys=("context_servers",),
        project=".zed/settings.json",
        tool_name="{tool}",
        desktop=True,
        again="nothing more: it reads the file by itself",
    ),
    Client(
        "codex",
        "Codex",
        _anywhere("{codex}/config.toml"),
        keys=("mcp_servers",),
        project=".codex/config.toml",
        format="toml",
        passes_on="env_vars",
        timeouts=("startup_timeout_sec", "tool_timeout_sec"),
        start_limit_s=10.0,
        again="start a new session",
    ),
    Client(
        "gemini",
        "Gemini CLI",
        _anywhere("{home}/.gemini/settings.json"),
        project=".gemini/settings.json",
        variables=("${NAME}", "$NAME"),
        passes_on="env",
        timeouts=("timeout",),
        start_limit_s=600.0,
        tool_name="mcp_{key}_{tool}",
        longest_name=63,
        again="start a new session",
    ),
    Client(
        "cline",
        "Cline",
        _editor("Code", _CLINE),
        variables=("${env:NAME}",),
        timeouts=("timeout",),
        desktop=True,
        again="nothing more: it reads the file by itself",
    ),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the table's paths depend on."""

    platform: Platform
    home: str
    environ: Mapping[str, str] = field(default_factory=dict)

    def path(self, template: str) -> str:
        """The path that a row means here, with the system's separators."""
        slash = "\\" if self.platform == "win32" else "/"
        roots = {}
        for name, (variable, otherwise) in ROOTS.items():
            said = self.environ.get(variable) if variable else None
            roots[name] = (said or otherwise.format(home=self.home)).rstrip("/\\")
        return template.format(**roots).replace("/", slash)


def client(id: str) -> Client | None:
    """The client that the command line calls so."""
    return next((row for row in CLIENTS if row.id == id), None)
