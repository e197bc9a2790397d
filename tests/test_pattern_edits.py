"""Pattern files changed at one place: everything else stays as it was, and nothing unreadable is ever written."""

import difflib
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from paste_mcp.data import data_path
from paste_mcp.store import pattern_text
from paste_mcp.store.pattern_edits import PatternFile, write_text
from paste_mcp.store.pattern_files import PatternFileError, load_patterns

ENTRY = {
    "name": "new",
    "context": [{"server": "*", "tool": "a"}],
    "target": {"tool": "b"},
    "arguments": {"url": {"result": -1, "path": "$.urls[*]", "pick": {1: 0.5, 2: 0.25}}},
    "probability": 0.5,
}
OFF = {"name": "next-sibling", "enabled": False}
MINE = """\
# heading
version: 1   # of the format
patterns:

  # the first
  - name: a      # called a
    why: |
      two
      lines

    context: [{tool: x}]
    target: {tool: y}
    probability: .5   # a guess

  # the second, which
  # is short
  - {name: b, context: [{tool: x}], target: {tool: z}, probability: 1}

# the end
"""
STYLES = {
    "block": MINE,
    "not indented": "version: 1\npatterns:\n- name: a\n  context: [{tool: x}]\n  target: {tool: y}\n  probability: .5\n"
    "-\n    {name: b, context: [{tool: x}], target: {tool: z}, probability: 1}",
    "flow": "{version: 1, patterns: [{name: a, context: [{tool: x}], target: {tool: y}, probability: .5},\n"
    " {name: b, enabled: true, context: [{tool: x}], target: {tool: z}, probability: 1} ]}\n",
    "patterns first": "patterns:\n  - name: a\n    context: [{tool: x}]\n    target: {tool: y}\n    probability: .5\n"
    "  - name: b\n    context:\n      - tool: x\n    target:\n      tool: z\n    probability: 1\n# of the format\n"
    "version: 1\n",
}


def names_in(text):
    return [entry["name"] for entry in YAML(typ="safe", pure=True).load(text)["patterns"]]


def entry_in(text, name):
    entries = YAML(typ="safe", pure=True).load(text)["patterns"]
    return next(entry for entry in entries if entry["name"] == name)


def changed_lines(before, after):
    diff = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in diff if line[0] in "+-"]


# --- one place --------------------------------------------------------------------------------------------------------


def test_turning_a_shipped_pattern_off_adds_one_line_under_its_name():
    text = data_path("patterns.yaml").read_text()
    after = pattern_text.with_enabled(text, pattern_text.index_of(text, "next-sibling"), False)
    assert changed_lines(text, after) == ["+     enabled: false"]


def test_taking_a_pattern_out_leaves_the_comments_around_it():
    text = data_path("patterns.yaml").read_text()
    after = pattern_text.without_entry(text, pattern_text.index_of(text, "next-cursor"))
    gone = [line.removeprefix("- ") for line in changed_lines(text, after)]
    assert gone[0] == "  - name: next-cursor" and gone[-2:] == ["    probability: 0.15", ""] and len(gone) == 9
    assert len(after.splitlines()) == len(text.splitlines()) - 9


def test_a_pattern_is_written_in_the_house_style():
    assert pattern_text.with_entry(MINE, ENTRY).removeprefix(MINE.removesuffix("\n# the end\n")) == (
        "\n"
        "  - name: new\n"
        "    context: [{server: '*', tool: a}]\n"
        "    target: {tool: b}\n"
        "    arguments:\n"
        "      url: {result: -1, path: '$.urls[*]', pick: {1: 0.5, 2: 0.25}}\n"
        "    probability: 0.5\n"
        "\n# the end\n"
    )


def test_what_does_not_fit_on_a_line_is_laid_out_over_several():
    long = {
        "join": [{"argument": -1, "name": "folder" * 8}, {"result": -1, "path": "$." + "name" * 12}],
        "pick": {1: 0.5},
    }
    text = pattern_text.pool_text([ENTRY | {"arguments": {"path": long}}])
    assert entry_in(text, "new")["arguments"] == {"path": long}
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
def test_files_of_every_style_are_changed_and_read_again(text):
    assert names_in(pattern_text.with_entry(text, ENTRY)) == ["a", "b", "new"]
    assert entry_in(pattern_text.with_entry(text, ENTRY), "new") == ENTRY
    assert names_in(pattern_text.with_entry_at(text, 0, ENTRY)) == ["new", "b"]
    assert names_in(pattern_text.with_entry_at(text, 1, ENTRY)) == ["a", "new"]
    assert names_in(pattern_text.without_entry(text, 0)) == ["b"]
    assert names_in(pattern_text.without_entry(text, 1)) == ["a"]
    assert names_in(pattern_text.without_entry(pattern_text.without_entry(text, 0), 0)) == []
    for at, name in enumerate("ab"):
        off = pattern_text.with_enabled(text, at, False)
        assert entry_in(off, name)["enabled"] is False
        assert entry_in(pattern_text.with_enabled(off, at, True), name)["enabled"] is True


def test_line_ends_stay_those_of_the_file():
    text = MINE.replace("\n", "\r\n")
    changed = pattern_text.with_enabled(pattern_text.with_entry(text, ENTRY), 0, False)
    assert "\n" not in changed.replace("\r\n", "")
    assert names_in(changed) == ["a", "b", "new"]


OPERATIONS = st.lists(st.tuples(st.sampled_from("add off on remove replace".split()), st.integers(0, 5)), max_size=6)


@settings(max_examples=30)
@given(st.sampled_from(list(STYLES.values())), OPERATIONS)
def test_any_row_of_changes_gives_the_patterns_that_it_says_and_keeps_comments(text, operations):
    model = [(name, entry_in(text, name).get("enabled", True)) for name in names_in(text)]
    comments = [line for line in text.splitlines() if line.strip().startswith("#")]
    for number, (kind, place) in enumerate(operations):
        if kind == "add":
            text = pattern_text.with_entry(text, ENTRY | {"name": f"n{number}"})
            model.append((f"n{number}", True))
        elif model:
            at = place % len(model)
            name = model[at][0]
            if kind == "remove":
                text = pattern_text.without_entry(text, at)
                del model[at]
            elif kind == "replace":
                text = pattern_text.with_entry_at(text, at, ENTRY | {"name": f"n{number}"})
                model[at] = (f"n{number}", True)
            else:
                text = pattern_text.with_enabled(text, at, kind == "on")
                model[at] = (name, kind == "on")
    assert [(name, entry_in(text, name).get("enabled", True)) for name in names_in(text)] == model
    assert [line for line in text.splitlines() if line.strip().startswith("#")] == comments


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_new_file_is_for_its_user_alone_and_tells_what_it_is(tmp_path):
    file = PatternFile(tmp_path / "state" / "patterns.yaml", new=True)
    file.put([OFF])
    assert file.path.read_text().startswith("# Your own patterns")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert [pattern.name for pattern in load_patterns(file.path, users_own=True)] == ["next-sibling"]


def test_a_change_keeps_the_file_as_it_was_beside_it_with_its_rights(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(MINE)
    path.chmod(0o640)
    file = PatternFile(path)
    file.remove("b")
    file.put([ENTRY])
    assert [pattern.name for pattern in file.patterns] == ["a", "new"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [pattern.name for pattern in load_patterns(tmp_path / "p.yaml.bak", users_own=True)] == ["a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.yaml", "p.yaml.bak"]


def test_a_link_is_followed_not_replaced(tmp_path):
    (tmp_path / "real.yaml").write_text(MINE)
    (tmp_path / "p.yaml").symlink_to("real.yaml")
    PatternFile(tmp_path / "p.yaml").turn("a", enabled=False)
    assert (tmp_path / "p.yaml").is_symlink()
    assert "enabled: false" in (tmp_path / "real.yaml").read_text()


def test_what_cannot_be_read_as_patterns_does_not_replace_a_file(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(MINE)
    file = PatternFile(path)
    with pytest.raises(PatternFileError, match="probability"):
        file.replace(MINE.replace("probability: 1", "probability: 2"))
    assert path.read_text() == MINE
    assert file.text == MINE and not (tmp_path / "p.yaml.bak").exists()


def test_what_someone_else_wrote_meanwhile_is_not_overruled(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(MINE)
    file = PatternFile(path)
    path.write_text(MINE + "# more\n")
    with pytest.raises(PatternFileError, match="changed by someone else"):
        file.remove("a")
    assert path.read_text() == MINE + "# more\n"
    fresh = PatternFile(tmp_path / "new.yaml", new=True)
    (tmp_path / "new.yaml").write_text(MINE)
    with pytest.raises(PatternFileError, match="changed by someone else"):
        fresh.put([OFF])


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PatternFileError) as caught:
        write_text(tmp_path / "file" / "p.yaml", "x")
    assert "cannot be written" in str(caught.value) and "\n" not in str(caught.value)
