"""What a config file means: servers in every client's dialect, placeholders, policies, limits, warnings."""

import json
from pathlib import Path

import pytest

from paste_mcp.config import Config, load_config, parse_config
from paste_mcp.config.clients import FOREIGN_KEYS, READ_KEYS, SERVERS_KEYS, Notes, review_entry, review_top
from paste_mcp.config.errors import Place
from paste_mcp.config.models import LimitsSection
from paste_mcp.core.speculation.settings import Limits, ServerPolicy

BASE = Path("/etc/paste")
HOME = {"HOME": "/home/ada"}
GIT = {"command": "uvx", "args": ["mcp-server-git"]}


def parse(data: object, **environ: str) -> Config:
    return parse_config(data, "c.json", HOME | environ, BASE)


def server(entry: dict, **environ: str):
    config = parse({"mcpServers": {"x": entry}}, **environ)
    return config.servers["x"]


def policy(entry: object, default: object = None) -> ServerPolicy:
    own = {} if entry is None else {"speculation": entry}
    paste = {} if default is None else {"speculation": default}
    return parse({"mcpServers": {"git": GIT | own}, "paste": paste}).policy("git")


DIALECTS = {
    "claude desktop": ({"mcpServers": {"x": {"command": "uvx", "args": ["p"], "env": {}}}}, "stdio"),
    "claude code stdio": ({"mcpServers": {"x": {"type": "stdio", "command": "uvx"}}}, "stdio"),
    "claude code http": ({"mcpServers": {"x": {"type": "http", "url": "https://h/mcp"}}}, "http"),
    "claude code sse": ({"mcpServers": {"x": {"type": "sse", "url": "https://h/events"}}}, "sse"),
    "cursor": ({"mcpServers": {"x": {"url": "https://h/mcp", "headers": {"A": "b"}}}}, "http"),
    "cursor sse": ({"mcpServers": {"x": {"url": "https://h/sse"}}}, "sse"),
    "vs code": ({"inputs": [], "servers": {"x": {"type": "http", "url": "https://h/mcp"}}}, "http"),
    "windsurf": ({"mcpServers": {"x": {"serverUrl": "https://h/mcp"}}}, "http"),
    "windsurf sse": ({"mcpServers": {"x": {"serverUrl": "https://h/a/sse/"}}}, "sse"),
    "zed": ({"theme": "One", "context_servers": {"x": {"command": "uvx", "args": [], "env": {}}}}, "stdio"),
    "zed remote": ({"context_servers": {"x": {"url": "https://h/mcp", "headers": {}}}}, "http"),
    "gemini": ({"mcpServers": {"x": {"httpUrl": "https://h/sse"}}}, "http"),
    "cline": ({"mcpServers": {"x": {"type": "streamableHttp", "url": "https://h/mcp"}}}, "http"),
    "streamable-http": ({"mcpServers": {"x": {"type": "streamable-http", "url": "http://[::1]:8/sse"}}}, "http"),
    "fastmcp": ({"mcpServers": {"x": {"transport": "sse", "url": "https://h/mcp"}}}, "sse"),
    "roo": ({"mcpServers": {"x": {"transportType": "stdio", "command": "x"}}}, "stdio"),
}


@pytest.mark.parametrize(("data", "kind"), DIALECTS.values(), ids=DIALECTS)
def test_every_clients_dialect_is_read(data: dict, kind: str) -> None:
    config = parse(data)
    assert config.servers["x"].type == kind
    assert config.servers_key in data
    assert config.warnings == []


def test_the_smallest_config_shadows_with_the_defaults() -> None:
    config = parse({"mcpServers": {"git": GIT}})
    assert config.policy("git") == ServerPolicy(mode="shadow")
    assert config.limits == Limits()
    assert (config.paste.record, config.paste.patterns, config.paste.default_patterns) == ("derivations", (), True)
    assert (config.paste.prefix, config.paste.start_timeout_s) == (True, 30.0)
    assert (config.servers["git"].command, config.servers["git"].args) == ("uvx", ("mcp-server-git",))
    assert (config.servers["git"].start_timeout_s, config.servers["git"].call_timeout_s) == (30.0, None)


def test_the_policy_of_a_server_that_is_not_there_is_no_policy() -> None:
    with pytest.raises(KeyError):
        parse({"mcpServers": {"git": GIT}}).policy("got")


def test_the_limits_of_the_file_are_those_of_the_core() -> None:
    assert LimitsSection().to_core() == Limits()
    assert Limits(64, 4, 2, 4, 3, 30, 30, 2**20, 2**26, 0.02) == Limits()
    given = {"total": 3, "per_session": 2, "per_server": 1, "per_trigger": 4, "ttl_s": 1.5, "call_timeout_s": 9}
    given |= {"result_bytes": 10, "buffer_bytes": 20}
    config = parse({"mcpServers": {"git": GIT}, "paste": {"limits": given}})
    assert config.limits == Limits(**given)
    assert isinstance(config.limits.call_timeout_s, float)


def test_placeholders_are_filled_in_wherever_values_stand_and_never_in_keys() -> None:
    process = server(
        {
            "command": "${BIN}/run",
            "args": ["--key=${env:KEY}", "${NONE:-a:-b}", "$KEY", "{KEY}", "${EMPTY:-x}", "${NONE:-}"],
            "env": {"${KEY}": "${KEY}${KEY}"},
            "cwd": "${BIN}",
        },
        BIN="/opt",
        KEY="k${BIN}",
        EMPTY="",
    )
    assert (process.command, process.cwd) == ("/opt/run", "/opt")
    assert process.args == ("--key=k${BIN}", "a:-b", "$KEY", "{KEY}", "", "")
    assert process.env == {"${KEY}": "k${BIN}k${BIN}"}
    remote = server(
        {"url": "https://${HOST:-h}/mcp", "headers": {"Authorization": "Bearer ${T:-none}", "X": "${E:-} "}}, HOST="g"
    )
    assert (remote.url, remote.headers) == ("https://g/mcp", {"Authorization": "Bearer none", "X": ""})


def test_the_transport_follows_the_filled_in_url() -> None:
    assert server({"url": "https://h/${PATH_}"}, PATH_="sse").type == "sse"


def test_a_tilde_is_the_users_home_and_relative_folders_start_at_the_file() -> None:
    process = server({"command": "~/bin/x", "args": ["~/a"], "cwd": "~"})
    assert (process.command, process.args, process.cwd) == ("/home/ada/bin/x", ("~/a",), "/home/ada")
    assert server({"command": "./x", "cwd": "sub"}).cwd == "/etc/paste/sub"
    assert server({"command": "~other/x"}).command == "~other/x"
    config = parse({"mcpServers": {"x": GIT}, "paste": {"patterns": ["a.yaml", "~/b.yaml", "/c.yaml"]}})
    assert config.paste.patterns == (Path("/etc/paste/a.yaml"), Path("/home/ada/b.yaml"), Path("/c.yaml"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("off", ServerPolicy("off")),
        ("shadow", ServerPolicy("shadow")),
        ("annotated", ServerPolicy("annotated")),
        ({"mode": "annotated", "closed_world": True}, ServerPolicy("annotated", closed_world=True)),
        ({"allow": ["read_*"]}, ServerPolicy("listed", allow=("read_*",))),
        ({"mode": "listed", "allow": ["a"], "deny": ["b"]}, ServerPolicy("listed", allow=("a",), deny=("b",))),
        ({"mode": "annotated", "allow": ["a"]}, ServerPolicy("annotated", allow=("a",))),
        ({"mode": "shadow", "allow": ["a"]}, ServerPolicy("shadow", allow=("a",))),
        ({"allow": []}, ServerPolicy("listed")),
        ({"deny": ["a"]}, ServerPolicy("shadow", deny=("a",))),
        ({}, ServerPolicy("shadow")),
    ],
)
def test_speculation_means_the_same_for_one_server_and_for_all(written: object, meant: ServerPolicy) -> None:
    assert policy(written) == meant
    assert policy(None, default=written) == meant


def test_a_servers_own_word_holds_whole() -> None:
    default = {"mode": "annotated", "closed_world": True, "deny": ["a"]}
    assert policy("annotated", default) == ServerPolicy("annotated")
    assert policy({"allow": ["b"]}, default) == ServerPolicy("listed", allow=("b",))


def test_an_object_without_a_mode_is_shadow_and_says_so() -> None:
    config = parse({"mcpServers": {"git": GIT | {"speculation": {"closed_world": True}}}})
    assert config.warnings == [
        'c.json: mcpServers.git.speculation: no mode, so shadow: nothing is sent; write "mode": "annotated" to send'
    ]


def test_disabled_servers_are_left_out_unread_with_one_warning() -> None:
    config = parse(
        {
            "mcpServers": {
                "a": {"command": "${MISSING}", "disabled": True},
                "b": {"enabled": False},
                "c": GIT | {"disabled": False, "enabled": True},
            }
        }
    )
    assert list(config.servers) == ["c"]
    assert config.warnings == ["c.json: mcpServers.a, mcpServers.b: disabled, left out"]


def test_what_is_left_aside_is_told_once_for_each_kind() -> None:
    remote = {"url": "https://h", "env": {"A": "b"}, "args": [], "$schema": "s", "_note": 1, "// x": 2}
    git = GIT | {"autoApprove": ["a"], "trust": True, "timeout": 5, "headers": {"A": "b"}, "shiny": 1}
    config = parse({"mcpServers": {"git": git, "docs": remote | {"timeout": 5000}}, "globalShortcut": "X"})
    assert config.warnings == [
        "c.json: mcpServers.git.autoApprove, mcpServers.git.trust: "
        "other clients' keys, not read here; set them in the client",
        "c.json: mcpServers.git.timeout, mcpServers.docs.timeout: "
        "seconds in some clients, milliseconds in others, so not read; write start_timeout_s, call_timeout_s",
        "c.json: mcpServers.git.headers, mcpServers.docs.env: no meaning for this kind of server, not read",
        "c.json: mcpServers.git.shiny: unknown keys, not read",
    ]


def test_a_long_list_of_what_is_left_aside_is_cut() -> None:
    config = parse({"mcpServers": {"git": GIT | {f"zz{n}": 1 for n in range(20)}}})
    assert config.warnings[0].endswith("mcpServers.git.zz7 and 12 more: unknown keys, not read")


@pytest.mark.parametrize(
    ("start", "call"), [("start_timeout_s", "call_timeout_s"), ("startup_timeout_sec", "tool_timeout_sec")]
)
def test_a_servers_timeouts_are_read_in_our_words_and_in_codexs(start: str, call: str) -> None:
    entry = GIT | {start: 5, call: 7.5}
    config = parse({"mcpServers": {"a": entry, "b": GIT, "c": GIT | {call: 60}}, "paste": {"start_timeout_s": 9}})
    assert [config.servers[alias].start_timeout_s for alias in "abc"] == [5.0, 9.0, 9.0]
    assert [config.servers[alias].call_timeout_s for alias in "abc"] == [7.5, None, 60.0]
    assert [config.call_timeout_s(alias) for alias in "abc"] == [7.5, 30.0, 30.0]


def test_a_link_is_shared_only_where_the_file_says_so() -> None:
    config = parse({"mcpServers": {"a": GIT, "b": GIT | {"shared": True}, "c": {"url": "https://h", "shared": True}}})
    assert [server.shared for server in config.servers.values()] == [False, True, True]


def test_how_a_server_is_launched_is_told_apart_from_how_it_is_used() -> None:
    used = GIT | {"shared": True, "start_timeout_s": 5, "call_timeout_s": 5, "speculation": "off"}
    config = parse({"mcpServers": {"a": GIT, "b": used, "c": GIT | {"env": {"A": "b"}}}})
    a, b, c = (server.launch() for server in config.servers.values())
    assert a == b != c


def test_no_prefix_is_possible_with_one_server() -> None:
    assert parse({"mcpServers": {"git": GIT}, "paste": {"prefix": False}}).paste.prefix is False
    both = {"git": GIT, "old": {"disabled": True}}
    assert parse({"mcpServers": both, "paste": {"prefix": False}}).paste.prefix is False


def test_keys_of_other_clients_are_never_taken_for_misspelt_ones_of_ours() -> None:
    notes = Notes()
    review_entry([*READ_KEYS, *sorted(FOREIGN_KEYS)], Place("c.json"), notes)
    assert sorted([*notes.foreign, *notes.timeout]) == sorted(FOREIGN_KEYS)
    others = "inputs globalShortcut theme agent_servers language_servers lspServers lsp security mcp projects version"
    review_top([*others.split(), *SERVERS_KEYS, "paste", "isUsingBuiltInNodeForMcp", "preferences"], Place("c.json"))


def test_secrets_stay_out_of_repr() -> None:
    data = {
        "mcpServers": {
            "a": {"command": "x", "args": ["${S}"], "env": {"K": "${S}"}},
            "b": {"url": "https://h/?${S}", "headers": {"K": "${S}"}},
        }
    }
    assert "hush" not in repr(parse(data, S="hush"))


def test_a_file_with_comments_commas_and_a_bom_is_read(tmp_path: Path) -> None:
    text = """// servers
    {"mcpServers": { /* one */ "git": {"command": "u//vx", "args": ["/* a */", "b",],}, }, // end
     "paste": {"patterns": ["p.yaml"]} }
    // done"""
    file = tmp_path / "servers.json"
    file.write_text("\ufeff" + text, encoding="utf-8")
    file.chmod(0o600)
    config = load_config(file, HOME)
    assert (config.servers["git"].command, config.servers["git"].args) == ("u//vx", ("/* a */", "b"))
    assert config.paste.patterns == (tmp_path / "p.yaml",)
    assert config.source == str(file)


def test_plain_json_is_read_as_the_standard_reader_reads_it(tmp_path: Path) -> None:
    args = ["", "\\", '"', "é\u2028😀", "\x7f", "a\tb", "//", "/*", ",}"]
    for indent in (None, 2):
        for ascii_only in (True, False):
            file = tmp_path / "servers.json"
            data = {"mcpServers": {"x": {"command": "c", "args": args}}}
            file.write_text(json.dumps(data, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
            file.chmod(0o600)
            assert load_config(file, {}).servers["x"].args == tuple(args)


def test_the_kill_switch_turns_speculation_off_on_every_server() -> None:
    data = {
        "mcpServers": {"a": {"command": "a", "speculation": {"allow": ["x"]}}, "b": {"command": "b"}},
        "paste": {"speculation": "annotated"},
    }
    config = parse_config(data, "test", {}, Path.cwd()).without_speculation()
    assert {config.policy(alias).mode for alias in config.servers} == {"off"}
    assert all(not config.policy(alias).allow for alias in config.servers)


@pytest.mark.parametrize(
    ("paste", "learns"),
    [
        ({}, True),
        ({"learning": "off"}, False),
        ({"speculation": "off"}, False),
        ({"speculation": "annotated"}, True),
    ],
)
def test_it_learns_unless_learning_or_all_speculation_is_off(paste: dict, learns: bool) -> None:
    config = parse({"mcpServers": {"a": {"command": "x"}}, "paste": paste})
    assert config.learns is learns
    assert not config.without_speculation().learns
    assert not config.paste.history
