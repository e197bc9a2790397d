"""`paste-mcp patterns ...` as a user meets it: over his own file, the shipped pool and what was learnt."""

import json
import shlex
import stat
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from paste_mcp.cli import app
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.store.admission import Delta
from paste_mcp.store.pattern_files import default_patterns, load_patterns
from paste_mcp.store.state import learnt_store, own_patterns

A, B, C = "srv\ta\t", "srv\tb\tdefinition12", "srv\tc\t"
A_B, A_C = "learnt:srv/a > srv/b", "learnt:srv/a > srv/c"
MINE = """\
version: 1
patterns:
  # hers
  - name: mine
    context: [{tool: x}]
    target: {tool: y}
    probability: 0.5
"""


@pytest.fixture
def state(tmp_path):
    """A user's state with something learnt in it: `a` is mostly followed by `b`, with a text of hers in it."""
    counts, literals = Counts(), Counts()
    for group, item, amount in (
        (("follow", A, "ok"), "", 10.0),
        (("follow", A, "ok"), B, 6.0),
        (("follow", A, "ok"), C, 3.0),
        (("form", B), ("n",), 6.0),
        (("form", C), ("text",), 6.0),
        (("const", B, "n"), "", 6.0),
        (("const", B, "n"), "5", 6.0),
    ):
        counts.add(group, item, amount)
    counts.add(("const", C, "text"), "", 6.0)
    literals.add(("const", C, "text"), '"my words"', 6.0)
    folder = tmp_path / "state"
    learnt_store(folder).add(Delta(counts, literals), TODAY)
    return folder


TODAY = 30_000


@pytest.fixture(autouse=True)
def today(monkeypatch):
    monkeypatch.setattr("paste_mcp.cli_patterns.time.time", lambda: TODAY * 86_400.0)


@pytest.fixture
def patterns(state):
    def run(*arguments, code=0, **environ):
        done = CliRunner().invoke(app, ["patterns", *arguments], env={"PASTE_MCP_STATE_DIR": str(state), **environ})
        assert done.exit_code == code, done.output
        return done.stdout if code == 0 else done.stderr

    return run


def listed(patterns, *words):
    """All patterns by name, as `list --json` tells them."""
    told = json.loads(patterns("list", *words, "--json").splitlines()[-1])["patterns"]
    return {entry["name"]: entry for entry in told}


def in_force(state):
    own = own_patterns(state)
    return Pool([*default_patterns(), *(load_patterns(own, users_own=True) if own.exists() else ())])


# --- list, show -------------------------------------------------------------------------------------------------------


def test_the_list_holds_the_users_own_the_shipped_and_the_learnt(patterns, state):
    own_patterns(state).write_text(MINE)
    found = listed(patterns)
    assert {found["mine"]["source"], found["next-sibling"]["source"], found[A_B]["source"]} == {
        "yours", "shipped", "learnt",
    }  # fmt: skip
    assert found["mine"]["file"] == str(own_patterns(state))
    assert found[A_B]["evidence"] == {"seen": 10, "hit": 6}
    assert found[A_B]["context"] == [{"server": "srv", "tool": "a"}] and found[A_B]["target"] == {"tool": "b"}
    assert all(entry["enabled"] for entry in found.values())


def test_people_see_a_table(patterns):
    table = patterns("list", "srv/b")
    (row,) = [line.split() for line in table.splitlines()[1:] if "learnt:" in line]
    assert row[:1] == ["learnt:srv/a"] and "6/10" in row and "on" in row


def test_words_narrow_the_list(patterns):
    assert set(listed(patterns, "git", "log")) == {"git-log-then-show", "git-status-then-log"}
    assert set(listed(patterns, "learnt")) == {A_B, A_C}
    assert listed(patterns, "nothing of that kind") == {}


def test_a_pattern_of_any_source_is_shown_as_it_would_be_written(patterns, state, tmp_path):
    for name in ("next-sibling", A_B):
        (tmp_path / "p.yaml").write_text("version: 1\npatterns:\n" + patterns("show", name))
        assert [pattern.name for pattern in load_patterns(tmp_path / "p.yaml", users_own=True)] == [name]


# --- on and off -------------------------------------------------------------------------------------------------------


def test_a_shipped_pattern_is_turned_off_and_on_by_a_line_of_the_users(patterns, state):
    patterns("disable", "next-sibling")
    assert not listed(patterns)["next-sibling"]["enabled"]
    assert "next-sibling" not in {pattern.name for pattern in in_force(state).patterns}
    assert "already" in patterns("disable", "next-sibling")
    patterns("enable", "next-sibling")
    assert listed(patterns)["next-sibling"]["enabled"]
    assert load_patterns(own_patterns(state), users_own=True) == []


def test_a_learnt_pattern_is_turned_off_by_its_id_whoever_foresees_by_it(patterns, state):
    patterns("disable", A_B)
    assert (listed(patterns)[A_B]["enabled"], listed(patterns)[A_C]["enabled"]) == (False, True)
    assert in_force(state).disabled == {A_B}
    patterns("enable", A_B)
    assert in_force(state).disabled == frozenset()


def test_a_pattern_of_the_users_is_turned_off_where_it_is_written(patterns, state, tmp_path):
    (tmp_path / "p.yaml").write_text(MINE)
    patterns("disable", "mine", "--patterns", str(tmp_path / "p.yaml"))
    assert (tmp_path / "p.yaml").read_text() == MINE.replace("name: mine\n", "name: mine\n    enabled: false\n")
    assert not own_patterns(state).exists()


def test_what_config_files_name_is_seen_and_changed_where_it_is(patterns, tmp_path):
    (tmp_path / "p.yaml").write_text(MINE)
    paste = {"patterns": ["p.yaml"], "default_patterns": False}
    (tmp_path / "c.json").write_text(json.dumps({"mcpServers": {"a": {"command": "true"}}, "paste": paste}))
    config = ("--config", str(tmp_path / "c.json"))
    assert {entry["source"] for entry in listed(patterns, *config).values()} == {"yours", "learnt"}
    patterns("disable", "mine", *config)
    assert "enabled: false" in (tmp_path / "p.yaml").read_text()
    assert patterns("disable", "next-sibling", *config, code=2).count("\n") == 1


# --- forget -----------------------------------------------------------------------------------------------------------


def test_what_was_learnt_is_forgotten_and_nothing_else(patterns, state):
    patterns("forget", A_B)
    assert A_B not in listed(patterns) and A_C in listed(patterns)
    kept = learnt_store(state).load(TODAY, literals=True, unbound=True)
    assert dict(kept.of(("follow", A, "ok"))) == pytest.approx({"": 10.0, C: 3.0})
    assert kept.of(("form", B))


def test_a_pattern_of_the_users_is_taken_out_of_its_file(patterns, state):
    own_patterns(state).write_text(MINE)
    patterns("forget", "mine")
    assert "# hers" in own_patterns(state).read_text()
    assert load_patterns(own_patterns(state), users_own=True) == []
    assert own_patterns(state).with_name("patterns.yaml.bak").read_text() == MINE


def test_a_shipped_pattern_is_not_forgotten_but_turned_off(patterns):
    told = patterns("forget", "next-sibling", code=2)
    assert "disable" in told and told.count("\n") == 1


# --- edit -------------------------------------------------------------------------------------------------------------


def editor(tmp_path, code):
    """An editor that runs `code` on the text `t` of the file that it is given."""
    script = tmp_path / "editor.py"
    script.write_text(f"import sys\nt = open(sys.argv[1]).read()\n{code}\nopen(sys.argv[1], 'w').write(t)\n")
    return shlex.join([sys.executable, str(script)])


def test_editing_a_shipped_pattern_puts_a_copy_into_the_users_file(patterns, state, tmp_path):
    change = editor(tmp_path, "t = t.replace('probability: 0.2\\n', 'probability: 0.25\\n')")
    patterns("edit", "next-sibling", EDITOR=change)
    (copy,) = load_patterns(own_patterns(state), users_own=True)
    assert (copy.name, copy.probability) == ("next-sibling", 0.25)
    told = json.loads(patterns("list", "next-sibling", "--json").splitlines()[-1])["patterns"]
    states = [(entry["source"], entry["state"]) for entry in told if entry["name"] == "next-sibling"]
    assert states == [("yours", "on"), ("shipped", "replaced")]
    assert stat.S_IMODE(own_patterns(state).stat().st_mode) == 0o600


def test_an_edit_that_changes_nothing_writes_nothing(patterns, state, tmp_path):
    assert "nothing was changed" in patterns("edit", "next-sibling", EDITOR=editor(tmp_path, ""))
    assert not own_patterns(state).exists()


def test_what_cannot_be_read_does_not_replace_the_file_and_is_not_lost(patterns, state, tmp_path):
    own_patterns(state).write_text(MINE)
    told = patterns("edit", EDITOR=editor(tmp_path, "t = t.replace('0.5', '5')"), code=2)
    assert own_patterns(state).read_text() == MINE
    assert told.count("\n") == 1 and ":7: " in told and "5 is no probability" in told
    draft = told.removeprefix("paste-mcp: ").partition(":7: ")[0]
    assert Path(draft).read_text() == MINE.replace("0.5", "5")


@pytest.mark.parametrize("command", ["no-such-editor-here", "'unbalanced", f"{sys.executable} -c 'exit(3)'"])
def test_an_editor_that_fails_is_one_line(patterns, command):
    assert patterns("edit", EDITOR=command, code=2).count("\n") == 1


# --- export, import ---------------------------------------------------------------------------------------------------


def test_what_is_exported_can_be_imported_elsewhere(patterns, state, tmp_path):
    own_patterns(state).write_text(MINE)
    patterns("export", "-o", str(tmp_path / "out.yaml"))
    other = str(tmp_path / "other.yaml")
    assert "2 patterns imported" in patterns("import", str(tmp_path / "out.yaml"), "--patterns", other)
    assert {pattern.name for pattern in load_patterns(tmp_path / "other.yaml", users_own=True)} == {"mine", A_B}
    assert "0 patterns imported" in patterns("import", str(tmp_path / "out.yaml"), "--patterns", other)


def test_learnt_texts_are_exported_only_on_the_users_word(patterns):
    assert "my words" not in patterns("export")
    assert "my words" in patterns("export", "--texts")
    assert A_B in patterns("export", "srv/b") and "mine" not in patterns("export", "srv/b")


def test_an_import_overrules_a_pattern_of_the_users_only_on_her_word(patterns, state, tmp_path):
    own_patterns(state).write_text(MINE)
    (tmp_path / "in.yaml").write_text(MINE.replace("0.5", "0.75"))
    told = patterns("import", str(tmp_path / "in.yaml"), code=2)
    assert "--replace" in told and told.count("\n") == 1
    patterns("import", str(tmp_path / "in.yaml"), "--replace")
    assert [pattern.probability for pattern in load_patterns(own_patterns(state), users_own=True)] == [0.75]


# --- what cannot be used ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("show", "next-siblin"), ("next-siblin", 'did you mean "next-sibling"')),
        (("enable", "zzz"), ("zzz", "paste-mcp patterns list")),
        (("import", "missing.yaml"), ("missing.yaml", "cannot be read")),
        (("list", "--config", "missing.json"), ("missing.json",)),
        (("export", "-o", "/dev/null/x.yaml"), ("/dev/null/x.yaml", "cannot be written")),
    ],
)
def test_what_cannot_be_done_is_one_line(patterns, arguments, names):
    told = patterns(*arguments, code=2)
    assert told.startswith("paste-mcp: ") and told.count("\n") == 1
    assert all(name in told for name in names)


def test_a_broken_file_of_the_users_is_told_with_its_line(patterns, state):
    own_patterns(state).write_text(MINE.replace("0.5", "5"))
    assert f"{own_patterns(state)}:7: " in patterns("list", code=2)
