"""The reviewed catalogue: its language, how a server is recognised, and what an entry may and may not do."""

import re

import pytest

from paste_mcp.core.model import Review
from paste_mcp.store.reviewed import KINDS, CatalogueError, Reviewed, load_catalogue

SHAPE = "0123456789abcdef"
TEXT = f"""
version: 1
servers:
  - package: mcp_server_x
    also: x-server
    server: X
    closed_world: true
    env: {{X_READ_ONLY: "1"}}
    metered: "paid_*"
    read: look={SHAPE} paid_look={SHAPE}
    write: change
    volatile: clock
  - package: other
    server: Y
    write: look
"""


@pytest.fixture
def reviewed(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT)
    return Reviewed(load_catalogue(path))


@pytest.mark.parametrize(
    ("launch", "called", "tool", "shape", "review"),
    [
        ("mcp-server-x", "X", "look", SHAPE, Review("read", closed_world=True, sure=True)),
        ("x-server", "X", "look", SHAPE, Review("read", closed_world=True, sure=True)),
        ("x-server", "X", "paid_look", SHAPE, Review("read", metered=True, closed_world=True, sure=True)),
        ("x-server", "X", "paid_new", SHAPE, Review("read", metered=True)),
        ("x-server", "X", "change", "other", Review("write", closed_world=True, sure=True)),
        ("x-server", "X", "new", SHAPE, None),
        # another release: the arguments are not those that were reviewed
        ("x-server", "X", "look", "f" * 16, Review("read", closed_world=True)),
        ("x-server", "X", "look", "", Review("read", closed_world=True)),
        # whoever only calls itself X, or is only started like it, is not taken for it
        ("evil", "X", "look", SHAPE, Review("read", closed_world=True)),
        (None, "X", "change", SHAPE, Review("write", closed_world=True)),
        ("mcp-server-x", "Z", "look", SHAPE, Review("read", closed_world=True)),
        ("mcp-server-x", None, "change", SHAPE, Review("write", closed_world=True)),
        # what it is started as comes before what it says that it is
        ("x-server", "Y", "look", SHAPE, Review("read", closed_world=True)),
        ("x-server", "Y", "clock", SHAPE, Review("volatile", closed_world=True)),
        ("evil", "nobody", "look", SHAPE, None),
        (None, None, "look", SHAPE, None),
    ],
)
def test_an_entry_speaks_for_a_tool_only_where_package_name_and_shape_fit(
    reviewed, launch, called, tool, shape, review
):
    assert reviewed.review(launch, called, tool, shape) == review


def test_a_servers_name_for_itself_brings_it_no_more_than_it_had(reviewed):
    for called in ("X", "Y", "anything"):
        review = reviewed.review("evil", called, "look", SHAPE)
        assert review is None or not review.vouches


def test_the_environment_goes_by_the_command_alone(reviewed):
    assert reviewed.env("x-server") == {"X_READ_ONLY": "1"}
    assert reviewed.env("evil") == reviewed.env(None) == {}


def test_an_entry_of_the_users_comes_before_the_shipped_one(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("version: 1\nservers: [{package: mcp-server-git, server: mcp-git, write: git_log}]\n")
    for own, kind in ((load_catalogue(path), "write"), ([], "read")):
        known = Reviewed(own).review("mcp-server-git", "mcp-git", "git_log", "c46d2a35278edd11")
        assert known is not None
        assert (known.kind, known.sure) == (kind, True)


BAD = [
    ("servers: []", 'mine.yaml: write "version: 1"'),
    ("version: 1\nservers: {}", 'mine.yaml: write "version: 1"'),
    ("version: 1\nservers: [x]", "servers.0: an entry"),
    ("version: 1\nservers: [{server: X}]", "servers.0.package: is missing"),
    ("version: 1\nservers: [{package: x, server: 1}]", "servers.0.server: is missing"),
    ("version: 1\nservers: [{package: x, server: X, reads: a}]", "servers.0.reads: unknown key"),
    ("version: 1\nservers: [{package: x, server: X, write: [a]}]", "servers.0.write: words with blanks"),
    ("version: 1\nservers: [{package: x, server: X, read: look}]", "servers.0.read: look: write TOOL=SHAPE"),
    ("version: 1\nservers: [{package: x, server: X, read: look=XYZ}]", "servers.0.read: look=XYZ: write TOOL=SHAPE"),
    ("version: 1\nservers: [{package: x, server: X, write: a, secret: a}]", "a is listed as write, too"),
    ("version: 1\nservers: [{package: x, server: X, env: {A: 1}}]", "servers.0.env: names and texts"),
    ("version: 1\nservers: [{package: x, server: X, closed_world: 1}]", "servers.0.closed_world: true or false"),
    ("version: 1\nservers: [", "is not YAML"),
    ("version: 1\nversion: 1\nservers: []", "is not YAML"),
    ("\x00", "is not YAML"),
    ("&a [*a]", 'write "version: 1"'),
    ("a: !!python/object:x y", "is not YAML"),
]


@pytest.mark.parametrize(("text", "told"), BAD, ids=[told for _, told in BAD])
def test_a_mistake_is_told_in_one_line(tmp_path, text, told):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(CatalogueError, match=re.escape(told)) as caught:
        load_catalogue(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_too_large_is_told(tmp_path):
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_catalogue(tmp_path / "none.yaml")
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * 1_048_577)
    with pytest.raises(CatalogueError, match="larger than 1 MiB"):
        load_catalogue(path)


# --- the shipped file ------------------------------------------------------------------------------------------------


def known(entry):
    """The entry as it is found by its package."""
    return next(near for near in Reviewed()._near(next(iter(entry.launches))) if near.launches == entry.launches)


def test_the_shipped_catalogue_covers_the_servers_that_were_examined():
    entries = Reviewed().entries
    kinds = [kind for entry in entries for kind in entry.kinds.values()]
    assert len(entries) >= 50
    assert len(kinds) >= 750
    assert set(kinds) == set(KINDS)
    assert all(known(entry) == entry for entry in entries)
    assert len({launch for entry in entries for launch in entry.launches}) == sum(len(e.launches) for e in entries)


@pytest.mark.parametrize(
    ("launch", "tool", "kind"),
    [
        # tools with readOnlyHint: true that were seen, or read in the code, to change something
        ("@modelcontextprotocol/server-sequential-thinking", "sequentialthinking", "write"),
        ("mcp-server-motherduck", "execute_query", "depends"),
        ("mcp-server-kubernetes", "kubectl_context", "write"),
        ("@wonderwhy-er/desktop-commander", "read_process_output", "consuming"),
        ("@wonderwhy-er/desktop-commander", "start_search", "session-creating"),
        ("serena-agent", "activate_project", "write"),
        ("mongodb-mcp-server", "connect", "write"),
        ("mongodb-mcp-server", "disconnect", "write"),
        ("mongodb-mcp-server", "export", "write"),
        ("mongodb-mcp-server", "aggregate", "depends"),
        ("chrome-devtools-mcp", "select_page", "write"),
        # and reads that are no plain reads
        ("mcp-server-time", "get_current_time", "volatile"),
        ("@modelcontextprotocol/server-filesystem", "get_file_info", "volatile"),
        ("@modelcontextprotocol/server-everything", "get-env", "secret"),
    ],
)
def test_what_is_known_to_be_no_plain_read_is_said(launch, tool, kind):
    review = Reviewed().review(launch, None, tool, "")
    assert review is not None
    assert (review.kind, review.vouches) == (kind, False)


def test_a_git_server_is_told_to_leave_the_index_alone():
    assert Reviewed().env("mcp-server-git") == {"GIT_OPTIONAL_LOCKS": "0"}
    assert Reviewed().env("mcp-server-time") == {}
