"""`examples/reference.md` is what the code is: every verb, key, figure and source, and no other."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from paste_mcp.cli import app
from paste_mcp.config.clients import READ_KEYS, TYPE_KEYS, TYPES, URL_KEYS
from paste_mcp.config.models import LimitsSection, Paste, SpeculationSection
from paste_mcp.connect.clients import CLIENTS, Machine
from paste_mcp.core.patterns import reader
from paste_mcp.core.patterns.language import parse_pool
from paste_mcp.core.speculation.ledger import Ledger

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "examples" / "reference.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
VERBS = get_command(app).commands


def tables(section):
    """Each table's first column, what stands in backquotes there."""
    bodies = re.findall(r"^\|.*\|\n\|(?:---\|)+\n((?:\|.*\n)+)", SECTIONS[section], re.MULTILINE)
    return [[re.match(r"\| (.+?) \|", row)[1] for row in body.splitlines()] for body in bodies]


def names(column):
    return [name for cell in column for name in re.findall(r"`\"?([^`\"]+)\"?`", cell)]


def test_every_verb_and_no_other():
    (column,) = tables("Verbs")
    said = [match[1] for cell in column if (match := re.match(r"`paste-mcp ([a-z]+)", cell))]
    assert sorted(said) == sorted(VERBS)


@pytest.mark.parametrize(
    "row", [row for row in SECTIONS["Verbs"].splitlines() if re.match(r"\| `paste-mcp [a-z]", row)]
)
def test_every_option_that_a_verb_is_said_to_have(row):
    verb = VERBS[re.match(r"\| `paste-mcp (\w+)", row)[1]]
    below = getattr(verb, "commands", {})
    known = {option for one in (verb, *below.values()) for p in one.params for option in (*p.opts, *p.secondary_opts)}
    assert set(re.findall(r"--[a-z-]+", row)) <= known
    assert {name for name in below if f"`{name}`" not in row} == set()


def test_every_clients_files_and_no_others():
    machine = Machine("linux", "~")
    rows = [row for row in SECTIONS["Connecting"].splitlines() if row.startswith("| `")]
    assert [re.match(r"\| `([a-z-]+)`", row)[1] for row in rows] == [client.id for client in CLIENTS]
    for client, row in zip(CLIENTS, rows, strict=True):
        _, linux, mac, windows, project = re.findall(r"\| ([^|]*?) (?=\|)", row.replace("|  |", "| `` |"))
        assert linux == f"`{machine.path(client.user['linux'])}`"
        for said, platform in ((mac, "darwin"), (windows, "win32")):
            path = machine.path(client.user[platform].replace("{appdata}", "%APPDATA%"))
            assert said == ("the same" if f"`{path}`" == linux else f"`{path}`")
        assert project == f"`{client.project or ''}`"


def test_every_key_of_a_server_and_no_other():
    servers, _, _ = tables("Configuration")
    said = set(names(servers))
    assert said <= set(READ_KEYS)
    elsewhere = {"enabled", *URL_KEYS, *TYPE_KEYS}
    for key in set(READ_KEYS) - said - elsewhere:
        assert f"`{key}`" in SECTIONS["Configuration"], key
    for kind in set(TYPES.values()):
        assert f"`{kind}`" in SECTIONS["Configuration"]


def test_every_key_of_speculation_and_every_mode():
    _, speculation, _ = tables("Configuration")
    text = "\n".join(speculation)
    for key in set(SpeculationSection.model_fields) - {"mode"}:
        assert f'"{key}"' in text, key
    for mode in ("off", "shadow", "annotated"):
        assert f'`"{mode}"`' in text


def test_every_key_of_paste_and_no_other():
    _, _, paste = tables("Configuration")
    assert sorted([*names(paste), "speculation"]) == sorted(Paste.model_fields)


def test_every_limit_with_its_default():
    (row,) = [row for row in SECTIONS["Configuration"].splitlines() if row.startswith("| `limits`")]
    said = re.findall(r"`(\w+)`(?: (\d[\d.]*))?", row.split("|", 2)[2])
    assert sorted(name for name, _ in said) == sorted(LimitsSection.model_fields)
    for name, value in said:
        assert value in ("", f"{LimitsSection.model_fields[name].default:g}"), name


def test_every_figure_and_no_other():
    counters, ratios = tables("Figures")
    assert sorted(names(counters)) == sorted(field.name for field in fields(Ledger))
    assert sorted(names(ratios)) == sorted(name for name, value in vars(Ledger).items() if isinstance(value, property))


def test_every_source_of_a_value_and_no_other():
    (column,) = tables("Patterns")
    said = {re.match(r"`\{(\w+)", cell)[1] for cell in column}
    source = Path(reader.__file__).read_text(encoding="utf-8")
    combined = re.search(r"for kind in \(([^)]*)\) if kind in data", source)[1]
    read = {"result", "argument", *re.findall(r'"(\w+)"', combined)}
    assert said == read
    ways = {
        way
        for cell in column
        if cell.startswith("`{result")
        for way in ("path", "lines", "extract")
        if f"{way}:" in cell
    }
    assert ways == set(re.findall(r'"(\w+)"', re.search(r"given = \[key for key in \(([^)]*)\)", source)[1]))


def test_the_pattern_shown_is_one():
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", SECTIONS["Patterns"], re.MULTILINE | re.DOTALL)
    (pattern,) = parse_pool(YAML(typ="safe", pure=True).load(shown), users_own=True)
    assert pattern.name == "search-then-visit"


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT):
        assert (ROOT / "examples" / target).exists(), target
