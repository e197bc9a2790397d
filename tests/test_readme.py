"""The README is true: its snippets parse, its commands and keys exist, its files are there."""

import json
import re
from pathlib import Path

from paste_mcp.config import parse_config
from paste_mcp.connect.clients import CLIENTS
from paste_mcp.core.speculation.settings import ServerPolicy

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


def test_the_clients_entry_starts_the_proxy_by_absolute_paths():
    config = parse_config(CONFIGS[1], "README", ENVIRON, ROOT)
    assert config.warnings == []
    assert Path(config.servers["paste"].command).is_absolute()
    assert config.servers["paste"].args[:2] == ("serve", "--config")
    assert Path(config.servers["paste"].args[2]).is_absolute()


def test_every_client_that_can_be_connected_is_named_and_no_other():
    (said,) = re.findall(r"and asks\. (.*?) work as well", README, re.DOTALL)
    named = set(re.findall(r"`([a-z-]+)`", said)) | {"claude-code"}
    assert named == {client.id for client in CLIENTS} - {"vscode-insiders"}


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
