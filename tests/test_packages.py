"""Which package a launch command starts: only what the user's own words say counts."""

import pytest

from paste_mcp.config.packages import package_of

STARTS = [
    ("npx -y @modelcontextprotocol/server-filesystem@latest /srv", "@modelcontextprotocol/server-filesystem"),
    ("npx.cmd -p pkg@1.2 some-command", "pkg"),
    ("npx --package=@a/b@1.0 b", "@a/b"),
    ("bunx tavily-mcp", "tavily-mcp"),
    ("pnpm dlx tavily-mcp", "tavily-mcp"),
    ("uvx mcp-server-git", "mcp-server-git"),
    ("uvx mcp-server-git@2026.10.19 --repository r", "mcp-server-git"),
    ("uvx --from mcp-server-git==1 mcp-server-git", "mcp-server-git"),
    ("uvx --python 3.12 --with x mcp-server-git[extra]>=2", "mcp-server-git"),
    ("uvx -p 3.12 mcp-server-git", "mcp-server-git"),
    ("uv tool run mcp-server-git", "mcp-server-git"),
    ("uv --directory /x run mcp-server-git", "mcp-server-git"),
    ("uv run python -m mcp_server_time", "mcp-server-time"),
    ("uv run --module mcp_server_time", "mcp-server-time"),
    ("pipx run --spec mcp-server-git x", "mcp-server-git"),
    ("/opt/venv/bin/python3.12 -m mcp_server_git --repository r", "mcp-server-git"),
    ("python.exe -m mcp_server_git", "mcp-server-git"),
    ("/opt/venv/bin/mcp-server-git", "mcp-server-git"),
    ("C:\\tools\\mcp-server-git.exe", "mcp-server-git"),
    ("node /srv/node_modules/@modelcontextprotocol/server-memory/dist/index.js", "@modelcontextprotocol/server-memory"),
    ("node node_modules/x/i.js", None),
    ("node server.js", None),
    ("python server.py", None),
    ("python -m", None),
    ("npx", None),
    ("uv sync", None),
    ("uv run python server.py", None),
    ("npx --unknown mcp-server-git", "mcp-server-git"),
]


@pytest.mark.parametrize(("line", "package"), STARTS)
def test_the_package_is_read_off_the_command(line, package):
    command, *args = line.split(" ")
    if line == "node node_modules/x/i.js":
        package = None  # a relative path may be anywhere
    assert package_of(command, args) == package


def test_an_argument_that_names_a_package_is_not_the_package():
    assert package_of("npx", ["-y", "evil", "mcp-server-git"]) == "evil"
    assert package_of("/bin/evil", ["mcp-server-git"]) == "evil"
    assert package_of("python", ["evil.py", "mcp-server-git"]) is None
