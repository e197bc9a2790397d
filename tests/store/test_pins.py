"""What tools were when they were first used: a change is noticed across restarts, and forgetting is no way around."""

import json
import stat

import pytest

from paste_mcp.store.pins import CHANGED, UNREADABLE, Pins, Seen, pin_key

KEYS = {"a": "key-a", "b": "key-b"}
LOOK = Seen("seal-1", "definition-1")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state" / "pins"


def pins(folder):
    return Pins(folder, KEYS)


def test_a_tool_seen_first_is_as_it_should_be_and_stays_so(folder):
    assert pins(folder).see("a", {"look": LOOK}) == {}
    assert pins(folder).see("a", {"look": LOOK}) == {}


def test_another_wording_is_no_change(folder):
    pins(folder).see("a", {"look": LOOK})
    assert pins(folder).see("a", {"look": Seen("seal-1", "definition-2")}) == {}


def test_another_seal_is_a_change_across_restarts_until_it_is_accepted_or_gone(folder):
    pins(folder).see("a", {"look": LOOK})
    other = {"look": Seen("seal-2", "definition-2")}
    assert pins(folder).see("a", other) == {"look": CHANGED}
    assert pins(folder).see("a", other) == {"look": CHANGED}
    assert pins(folder).see("a", {"look": LOOK}) == {}
    assert pins(folder).accept("a", other) == ["look"]
    assert pins(folder).see("a", other) == {}
    assert pins(folder).see("a", {"look": LOOK}) == {"look": CHANGED}


def test_a_tool_that_left_and_came_back_changed_is_noticed(folder):
    pins(folder).see("a", {"look": LOOK})
    pins(folder).see("a", {})
    assert pins(folder).see("a", {"look": Seen("seal-2", "")}) == {"look": CHANGED}


def test_a_definition_that_cannot_be_read_is_never_right(folder):
    assert pins(folder).see("a", {"look": Seen("", "")}) == {"look": CHANGED}


def test_servers_do_not_share_pins(folder):
    pins(folder).see("a", {"look": LOOK})
    assert pins(folder).see("b", {"look": Seen("seal-2", "")}) == {}


def test_a_tool_that_lost_the_right_never_gets_it_back_as_it_is(folder):
    pins(folder).see("a", {"look": LOOK})
    pins(folder).bar("a", "look", "it asked the user something")
    pins(folder).bar("a", "look", "another reason")
    assert pins(folder).see("a", {"look": LOOK}) == {"look": "it asked the user something"}
    assert pins(folder).accept("a", {"look": LOOK}) == []
    assert pins(folder).see("a", {"look": LOOK}) == {"look": "it asked the user something"}
    other = {"look": Seen("seal-2", "")}
    assert pins(folder).see("a", other) == {"look": CHANGED}
    assert pins(folder).accept("a", other) == ["look"]
    assert pins(folder).see("a", other) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tools": 1}', '{"tools": {"look": 1}}', "[" * 100_000, "\xff"])
def test_a_file_that_cannot_be_read_bars_all_until_they_are_accepted(folder, text, caplog):
    pins(folder).see("a", {"look": LOOK})
    (folder / "key-a.json").write_text(text, encoding="latin-1")
    assert pins(folder).see("a", {"look": LOOK, "new": LOOK}) == {"look": UNREADABLE, "new": UNREADABLE}
    assert "cannot be read" in caplog.text
    assert pins(folder).see("b", {"look": LOOK}) == {}
    assert pins(folder).accept("a", {"look": LOOK}) == ["look"]
    assert pins(folder).see("a", {"look": LOOK}) == {}


def test_only_the_user_may_read_or_write_them(folder):
    pins(folder).see("a", {"look": LOOK})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "key-a.json").stat().st_mode) == 0o600
    assert json.loads((folder / "key-a.json").read_text())["tools"]["look"]["seal"] == "seal-1"


def test_a_disk_that_takes_nothing_is_told_once_and_holds_for_the_run(tmp_path, caplog):
    (tmp_path / "pins").write_text("a file where the folder should be")
    told = pins(tmp_path / "pins")
    assert told.see("a", {"look": LOOK}) in ({}, {"look": UNREADABLE})
    told.see("a", {"look": LOOK})
    assert len(caplog.records) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["pins"]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"env": {"TOKEN": "new"}}, True),
        ({"headers": {"Authorization": "new"}}, True),
        ({"url": "https://x.example/mcp?key=2"}, True),
        ({"args": ["other"]}, False),
        ({"command": "npx"}, False),
        ({"url": "https://y.example/mcp"}, False),
        ({"cwd": "/elsewhere"}, False),
    ],
)
def test_a_server_is_known_by_how_it_is_started_not_by_its_secrets(change, same):
    launch = {
        "type": "stdio",
        "command": "uvx",
        "args": ["x"],
        "env": {"TOKEN": "old"},
        "url": "https://x.example/mcp?key=1",
    }
    assert (pin_key("a", launch) == pin_key("a", {**launch, **change})) is same
    assert pin_key("a", launch) != pin_key("b", launch)
