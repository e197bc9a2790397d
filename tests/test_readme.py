"""The README is true: its snippets parse, its commands and keys exist, its files are there."""

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from paste_mcp.cli import app
from paste_mcp.config import Paste, parse_config
from paste_mcp.core.patterns.language import parse_pool
from paste_mcp.core.speculation.settings import Limits, ServerPolicy

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ENVIRON = {"HOME": "/home/ada"}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


CONFIGS = [json.loads(block) for block in blocks("json")]


def test_the_first_snippet_is_a_configuration_that_trusts_its_servers():
    config = parse_config(CONFIGS[0], "README", ENVIRON, ROOT)
    assert config.warnings == []
    assert {config.policy(alias) for alias in config.servers} == {ServerPolicy("annotated")}


@pytest.mark.parametrize(
    ("client", "position", "top", "keys"),
    [
        ("Claude Desktop", 1, "mcpServers", {"command", "args"}),
        ("Claude Code", 2, "mcpServers", {"type", "command", "args", "env"}),
        ("Cursor", 3, "mcpServers", {"command", "args"}),
        ("VS Code", 4, "servers", {"type", "command", "args"}),
    ],
)
def test_each_clients_snippet_has_that_clients_shape_and_starts_the_proxy(client, position, top, keys):
    before = README.split(blocks("json")[position])[0].rstrip("`json\n")
    assert before.splitlines()[-2 if client == "Claude Code" else -1].startswith(client)
    (data,) = [CONFIGS[position]]
    assert set(data) == {top}
    assert set(data[top]) == {"paste"}
    assert set(data[top]["paste"]) == keys
    config = parse_config(data, client, ENVIRON, ROOT)
    assert config.warnings == []
    assert config.servers["paste"].args[:2] == ("serve", "--config")
    assert Path(config.servers["paste"].args[2]).is_absolute()


def test_claude_desktops_snippet_has_no_placeholders_as_it_fills_in_none():
    assert "${" not in json.dumps(CONFIGS[1])


def test_the_pattern_shown_is_one():
    (shown,) = blocks("yaml")
    (pattern,) = parse_pool(YAML(typ="safe", pure=True).load(shown), users_own=True)
    assert pattern.name == "search-then-visit"


def test_every_verb_and_option_named_exists_and_every_verb_is_named():
    verbs = get_command(app).commands
    named = set(re.findall(r"paste-mcp (serve|check|demo|[a-z]+) ?(?:--|`|$)", README))
    assert named >= set(verbs)
    for line in README.splitlines():
        if match := re.match(r"\| `paste-mcp (\w+)", line):
            verb = verbs[match[1]]
            params = [p for one in (verb, *getattr(verb, "commands", {}).values()) for p in one.params]
            known = {option for p in params for option in (*p.opts, *p.secondary_opts)}
            for option in re.findall(r"`?(--[a-z-]+)", line):
                assert option in known, line


def test_every_key_of_the_paste_section_is_explained():
    for key in Paste.model_fields:
        assert f"`{key}`" in README, key
    for key in Limits.__dataclass_fields__:
        assert f"`{key}`" in README, key


def test_every_link_within_the_project_leads_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_two_lines_set_up_their_own_environment():
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("python3")]
    assert len(lines) == 2
    assert lines[0].endswith("paste-mcp demo")
    assert lines[1].endswith("-m pytest")
    for line in lines:
        assert re.fullmatch(r"python3 -m venv (\.venv\S*) && \1/bin/pip install -q .+ && \1/bin/\S+ .*", line)
