"""Names that hosts see."""

from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.proxy.catalogue import Catalogue
from paste_mcp.proxy.names import MAX_NAME, exposed

ALIASES = st.from_regex(r"[A-Za-z0-9-]{1,32}", fullmatch=True)


def test_a_name_is_alias_and_tool():
    assert exposed("git", "git_log") == "git__git_log"


@given(ALIASES, st.text(min_size=1, max_size=200))
def test_every_name_is_fit_for_models_and_leads_back(alias, tool):
    catalogue = Catalogue([alias, alias + "x"], prefix=True)
    shown = catalogue.expose(alias, tool)
    assert 0 < len(shown) <= MAX_NAME
    assert set(shown) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    assert catalogue.resolve(shown) == (alias, tool)


@given(ALIASES, st.lists(st.text(min_size=1, max_size=80), unique=True, max_size=8))
def test_tools_of_one_server_keep_different_names(alias, tools):
    assert len({exposed(alias, tool) for tool in tools}) == len(tools)


def test_names_of_servers_that_are_not_there_lead_nowhere():
    catalogue = Catalogue(["git"], prefix=True)
    assert catalogue.resolve("nope__x") is None
    assert catalogue.resolve("git") is None


def test_without_prefix_every_name_is_the_one_servers():
    catalogue = Catalogue(["git"], prefix=False)
    assert catalogue.expose("git", "a__b") == "a__b"
    assert catalogue.resolve("a__b") == ("git", "a__b")
