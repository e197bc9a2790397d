"""What a bad config says: one line each, exact, with the file, the place and the remedy, and never a value."""

import os
from pathlib import Path

import pytest

from paste_mcp.config import ConfigError, Paste, load_config, parse_config

GIT = {"command": "uvx", "args": ["mcp-server-git"]}
URL = {"url": "https://h/mcp"}


def message(data: object, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(data, "c.json", environ, Path("/etc/paste"))
    return str(caught.value)


def entry(**keys: object) -> dict:
    return {"mcpServers": {"git": keys}}


def with_paste(**keys: object) -> dict:
    return {"mcpServers": {"git": GIT}, "paste": keys}


def alias(*names: str) -> dict:
    return {"mcpServers": dict.fromkeys(names, GIT)}


BAD = [
    ([], "c.json: an object is expected: {...}"),
    ({}, 'c.json: no servers in it; write {"mcpServers": {"NAME": {"command": "..."}}}'),
    ({"mcpServers": []}, "c.json: mcpServers: an object is expected: {...}"),
    ({"mcpServers": {}}, "c.json: mcpServers: holds no server that is enabled; add one"),
    (entry(disabled=True), "c.json: mcpServers: holds no server that is enabled; add one"),
    (
        {"servers": {"a": GIT}, "mcpServers": {"b": GIT}},
        "c.json: mcpServers, servers exclude each other; move all servers to mcpServers",
    ),
    # near-misses of our own keys
    ({"mcpServer": {"git": GIT}}, "c.json: mcpServer: unknown key; did you mean 'mcpServers'?"),
    ({"mcp_servers": {"git": GIT}}, "c.json: mcp_servers: unknown key; did you mean 'mcpServers'?"),
    (alias("git") | {"past": {}}, "c.json: past: unknown key; did you mean 'paste'?"),
    (entry(comand="x"), "c.json: mcpServers.git.comand: unknown key; did you mean 'command'?"),
    (entry(**GIT, arg=[]), "c.json: mcpServers.git.arg: unknown key; did you mean 'args'?"),
    (entry(**GIT, enviroment={}), "c.json: mcpServers.git.enviroment: unknown key; did you mean 'env'?"),
    (entry(**GIT, evn={}), "c.json: mcpServers.git.evn: unknown key; did you mean 'env'?"),
    (
        entry(**GIT, specualtion="off"),
        "c.json: mcpServers.git.specualtion: unknown key; did you mean 'speculation'?",
    ),
    (entry(**GIT, disable=True), "c.json: mcpServers.git.disable: unknown key; did you mean 'disabled'?"),
    ({"mcpServers": {"git": "uvx"}}, "c.json: mcpServers.git: an object is expected: {...}"),
    # addresses and transports
    (entry(args=[]), 'c.json: mcpServers.git: write "command" (a program to start) or "url" (a server that runs)'),
    (entry(**GIT, **URL), "c.json: mcpServers.git: command, url exclude each other; keep one"),
    (entry(**URL, httpUrl="x"), "c.json: mcpServers.git: url, httpUrl exclude each other; keep one"),
    (entry(**GIT, type="http"), "c.json: mcpServers.git.type: does not go with 'command'; remove it or correct it"),
    (entry(**URL, type="stdio"), "c.json: mcpServers.git.type: does not go with 'url'; remove it or correct it"),
    (
        entry(httpUrl="https://h", type="sse"),
        "c.json: mcpServers.git.type: does not go with 'httpUrl'; remove it or correct it",
    ),
    (
        entry(**URL, type="websocket"),
        "c.json: mcpServers.git.type: has to be one of "
        "stdio, sse, http, streamable-http, streamable_http, streamableHttp",
    ),
    (entry(**URL, type="htp"), "c.json: mcpServers.git.type: did you mean 'http'?"),
    (entry(**URL, type=1), "c.json: mcpServers.git.type: text in double quotes is expected"),
    (entry(command=1), "c.json: mcpServers.git.command: text in double quotes is expected"),
    (entry(command=None), "c.json: mcpServers.git.command: text in double quotes is expected"),
    (entry(command=""), "c.json: mcpServers.git.command: is empty; write a value or leave it out"),
    (entry(command="${A:- }"), "c.json: mcpServers.git.command: is empty; write the program to start"),
    (
        entry(command="x\0"),
        "c.json: mcpServers.git.command: "
        "holds a character that cannot be passed to the system (NUL or half of a pair); remove it",
    ),
    (entry(command="x", args="a"), "c.json: mcpServers.git.args: a list is expected: [...]"),
    (entry(command="x", args=["-p", 80]), "c.json: mcpServers.git.args.1: text in double quotes is expected"),
    (entry(command="x", env={"P": 80}), "c.json: mcpServers.git.env.P: text in double quotes is expected"),
    (entry(command="x", env=[]), "c.json: mcpServers.git.env: an object is expected: {...}"),
    (
        entry(command="x", env={"A=B": "c"}),
        'c.json: mcpServers.git.env."A=B": an environment variable\'s name is not empty and holds no =; rename it',
    ),
    (entry(url=5), "c.json: mcpServers.git.url: text in double quotes is expected"),
    (entry(url="h/mcp"), "c.json: mcpServers.git.url: a URL is expected: http:// or https://, a host, no spaces"),
    (
        entry(serverUrl="https://h:x/"),
        "c.json: mcpServers.git.serverUrl: a URL is expected: http:// or https://, a host, no spaces",
    ),
    (
        entry(**URL, headers={"A B": "c"}),
        'c.json: mcpServers.git.headers."A B": a header\'s name is letters, digits and -; rename it',
    ),
    (
        entry(**URL, headers={"A": "b\n"}),
        "c.json: mcpServers.git.headers.A: "
        "holds a line break or a character that a header cannot carry; remove it from the value",
    ),
    (entry(**GIT, disabled="yes"), "c.json: mcpServers.git.disabled: true or false is expected, without quotes"),
    (
        entry(**GIT, startup_timeout_sec=True),
        "c.json: mcpServers.git.startup_timeout_sec: a number of seconds is expected, more than 0 and at most 3600",
    ),
    (
        entry(**GIT, call_timeout_s="5"),
        "c.json: mcpServers.git.call_timeout_s: a number of seconds is expected, more than 0 and at most 3600",
    ),
    (
        entry(**GIT, call_timeout_s=5, tool_timeout_sec=5),
        "c.json: mcpServers.git: 'call_timeout_s' and 'tool_timeout_sec' mean the same; keep one",
    ),
    (entry(**GIT, shared="yes"), "c.json: mcpServers.git.shared: true or false is expected, without quotes"),
    # placeholders
    (
        entry(command="x", env={"K": "${TOKEN}"}),
        "c.json: mcpServers.git.env.K: environment variable TOKEN is not set; "
        "set it or write a default: ${TOKEN:-default}",
    ),
    (
        entry(command="${env:BIN}"),
        "c.json: mcpServers.git.command: environment variable BIN is not set; "
        "set it or write a default: ${BIN:-default}",
    ),
    (
        entry(**URL, headers={"A": "${input:token}"}),
        "c.json: mcpServers.git.headers.A: ${input:token} is filled in by an editor only; "
        "write the value itself or an environment variable",
    ),
    (
        entry(command="x", cwd="${workspaceFolder}"),
        "c.json: mcpServers.git.cwd: ${workspaceFolder} is filled in by an editor only; "
        "write the value itself or an environment variable",
    ),
    (
        entry(command="x", args=["${A"]),
        "c.json: mcpServers.git.args.0: a placeholder is not closed; write ${NAME}, ${NAME:-default} or ${env:NAME}",
    ),
    (
        entry(command="x", args=["${A:-${B}}"]),
        "c.json: mcpServers.git.args.0: a placeholder inside a placeholder is not supported; "
        "write ${NAME}, ${NAME:-default} or ${env:NAME}",
    ),
    (
        entry(command="x", args=["${A%b}"]),
        "c.json: mcpServers.git.args.0: this placeholder is not understood; "
        "write ${NAME}, ${NAME:-default} or ${env:NAME}",
    ),
    # aliases
    (
        alias("My Server"),
        'c.json: mcpServers."My Server": '
        "a server's name is 1 to 32 letters, digits, - and _; rename it, say to 'My-Server'",
    ),
    (
        alias("é/è\n"),
        "c.json: mcpServers.\"é/è\\n\": a server's name is 1 to 32 letters, digits, - and _; rename it, say to 'e-e'",
    ),
    (
        alias(""),
        "c.json: mcpServers.\"\": a server's name is 1 to 32 letters, digits, - and _; rename it, say to 'server'",
    ),
    (
        alias("a__b"),
        "c.json: mcpServers.a__b: a server's name may not hold __ or end with _; rename it, say to 'a-b'",
    ),
    (alias("a_"), "c.json: mcpServers.a_: a server's name may not hold __ or end with _; rename it, say to 'a'"),
    (alias("git", "Git"), "c.json: mcpServers.Git: differs from 'git' only by case; rename one"),
    # paste
    (alias("git") | {"paste": True}, "c.json: paste: an object is expected: {...}"),
    (with_paste(limit={}), "c.json: paste.limit: unknown key; did you mean 'limits'?"),
    (
        with_paste(colour=1),
        f"c.json: paste.colour: unknown key; use {', '.join(Paste.model_fields)}",
    ),
    (with_paste(learning="yes"), "c.json: paste.learning: has to be one of on or off"),
    (with_paste(record="none"), "c.json: paste.record: has to be one of derivations, full or off"),
    (with_paste(patterns="p"), "c.json: paste.patterns: a list is expected: [...]"),
    (with_paste(patterns=[1]), "c.json: paste.patterns.0: text in double quotes is expected"),
    (
        with_paste(patterns=[""]),
        "c.json: paste.patterns.0: is empty; write the path of a pattern file or leave it out",
    ),
    (with_paste(default_patterns=1), "c.json: paste.default_patterns: true or false is expected, without quotes"),
    (with_paste(start_timeout_s=0), "c.json: paste.start_timeout_s: has to be more than 0"),
    (
        {"mcpServers": {"a": GIT, "b": GIT}, "paste": {"prefix": False}},
        "c.json: paste.prefix: may be false with one server only, not with 2; remove it",
    ),
    (with_paste(limits=3), "c.json: paste.limits: an object is expected: {...}"),
    (with_paste(limits={"ttl": 3}), "c.json: paste.limits.ttl: unknown key; did you mean 'ttl_s'?"),
    (with_paste(limits={"total": True}), "c.json: paste.limits.total: a whole number is expected, without quotes"),
    (with_paste(limits={"total": 1.0}), "c.json: paste.limits.total: a whole number is expected, without quotes"),
    (with_paste(limits={"total": 0}), "c.json: paste.limits.total: has to be at least 1"),
    (with_paste(limits={"total": 10**5000}), "c.json: paste.limits.total: has to be at most 1024"),
    (with_paste(limits={"ttl_s": "30"}), "c.json: paste.limits.ttl_s: a number is expected, without quotes"),
    (with_paste(limits={"ttl_s": 1e9}), "c.json: paste.limits.ttl_s: has to be at most 300"),
    (
        with_paste(limits={"ttl_s": float("nan")}),
        "c.json: paste.limits.ttl_s: a number is expected, without quotes",
    ),
    # speculation
    (
        with_paste(speculation="on"),
        "c.json: paste.speculation: has to be one of off, shadow, annotated",
    ),
    (with_paste(speculation="anotated"), "c.json: paste.speculation: did you mean 'annotated'?"),
    (
        entry(**GIT, speculation="listed"),
        'c.json: mcpServers.git.speculation: needs its list: write {"allow": ["TOOL"]}',
    ),
    (
        entry(**GIT, speculation=True),
        "c.json: mcpServers.git.speculation: "
        "has to be one of off, shadow, annotated, in double quotes, or an object with mode, allow, deny",
    ),
    (
        entry(**GIT, speculation={"alow": []}),
        "c.json: mcpServers.git.speculation.alow: unknown key; did you mean 'allow'?",
    ),
    (
        entry(**GIT, speculation={"trust": 1}),
        "c.json: mcpServers.git.speculation.trust: unknown key; use mode, closed_world, allow, deny",
    ),
    (
        entry(**GIT, speculation={"mode": "on"}),
        "c.json: mcpServers.git.speculation.mode: has to be one of off, shadow, annotated or listed",
    ),
    (
        entry(**GIT, speculation={"mode": "listed"}),
        'c.json: mcpServers.git.speculation: mode listed needs its list: write "allow": ["TOOL"]',
    ),
    (
        entry(**GIT, speculation={"allow": "read"}),
        "c.json: mcpServers.git.speculation.allow: a list is expected: [...]",
    ),
    (
        entry(**GIT, speculation={"deny": [""]}),
        "c.json: mcpServers.git.speculation.deny.0: is empty; write a value or leave it out",
    ),
    (
        entry(**GIT, speculation={"closed_world": "yes"}),
        "c.json: mcpServers.git.speculation.closed_world: true or false is expected, without quotes",
    ),
]


@pytest.mark.parametrize(("data", "line"), BAD, ids=[line for _, line in BAD])
def test_a_mistake_is_told_in_one_line(data: object, line: str) -> None:
    assert message(data) == line


def test_the_first_of_several_mistakes_is_told() -> None:
    data = with_paste(limits={"total": 0, "ttl_s": 0}) | {"mcpServers": {"a b": {}}}
    assert message(data) == "c.json: paste.limits.total: has to be at least 1"


def test_a_long_key_is_shortened() -> None:
    line = message(alias("x" * 500))
    assert line.startswith(f'c.json: mcpServers."{"x" * 60}...": a server\'s name is 1 to 32')
    assert line.endswith(f"say to '{'x' * 32}'")


@pytest.mark.parametrize(
    "data",
    [
        entry(**URL, headers={"A": "${S}\n"}),
        entry(command="x", args=["\0${S}"]),
        entry(url="${S}"),
        entry(url="https://hush word"),
        entry(command="x", args=["${NOT OURS:-hush}"]),
        entry(command="x", args=["${NONE}", "${NONE:-hush}"]),
        entry(command="x", env={"K": 5, "L": "hush"}),
        entry(**GIT, type="hush"),
        with_paste(speculation="hush", record="hush"),
        with_paste(record="hush"),
        with_paste(limits={"total": "hush"}),
    ],
)
def test_no_error_repeats_a_value(data: object) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(data, "c.json", {"S": "hush"}, Path("/etc"))
    error: BaseException | None = caught.value
    while error is not None:
        assert "hush" not in str(error)
        error = error.__cause__ or error.__context__


TEXTS = [
    ("", '1:1: the file is empty; write {"mcpServers": {...}}'),
    (" // nothing\n", '2:1: the file is empty; write {"mcpServers": {...}}'),
    ("{", "1:2: a key in double quotes or } is expected here"),
    ('{"a"', "1:5: a colon (:) is expected after a key"),
    ('{"a":', "1:6: the file ends in the middle; a closing bracket is missing"),
    ('{"a": 1\n "b": 2}', "2:2: a comma or } is expected here"),
    ('{"a": [1\n 2]}', "2:2: a comma or ] is expected here"),
    ('{"a": [,]}', "1:8: a value is expected here: text in double quotes, a number, true, false, null, { or ["),
    ('{"a": 1,,}', "1:9: a key in double quotes or } is expected here"),
    ("{'a': 1}", "1:2: a key in double quotes or } is expected here"),
    ("{\"a\": 'b'}", '1:7: text goes in double quotes (")'),
    ('{"a": "b\n"}', "1:7: this text is not closed on its line, or holds a control character"),
    ('{"a": "C:\\x"}', r"1:7: this text holds an escape that JSON does not have; a backslash is written \\"),
    ('{"a": NaN}', "1:7: a value is expected here: text in double quotes, a number, true, false, null, { or ["),
    ('{"a": 01}', "1:8: a comma or } is expected here"),
    ('{"a": 1e999}', "1:7: this number is too large"),
    ('{"a": ' + "9" * 5000 + "}", "1:7: this number is too large"),
    ("{} {}", "1:4: nothing may follow the end of the configuration; remove it"),
    ("{ /* a }", "1:3: this comment is never closed; write */"),
    ("[" * 5000, "1:66: nested more than 64 levels deep"),
    (
        '{"mcpServers": {\n  "git": {},\n  "git": {}\n}}',
        "3:3: git occurs twice in mcpServers (first in line 2); rename or remove one",
    ),
    ('{"a": 1,\n"a": 2}', "2:1: a occurs twice (first in line 1); rename or remove one"),
    ('{"a": [{"b c": 1, "b c": 2}]}', '1:19: "b c" occurs twice in a.0 (first in line 1); rename or remove one'),
]


@pytest.mark.parametrize(("text", "line"), TEXTS, ids=[line for _, line in TEXTS])
def test_what_is_not_json_is_told_with_line_and_column(tmp_path: Path, text: str, line: str) -> None:
    assert load_error(write(tmp_path, text.encode())) == f"{tmp_path}/c.json:{line}"


def write(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    file = folder / "c.json"
    file.write_bytes(data)
    file.chmod(mode)
    return file


def load_error(file: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(file, {})
    return str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    assert load_error(file) == f"{file}: there is no such file; create it or correct --config"


def test_a_directory_is_told(tmp_path: Path) -> None:
    assert load_error(tmp_path) == f"{tmp_path}: is a directory; name the file in it"


def test_a_path_below_a_file_or_no_path_at_all_is_told(tmp_path: Path) -> None:
    below = write(tmp_path, b"{}") / "x.json"
    assert load_error(below) == f"{below}: cannot be read: Not a directory"
    assert load_error(Path("a\0b")) == "a\\x00b: cannot be read: not a path"


def test_a_file_larger_than_a_mebibyte_is_told(tmp_path: Path) -> None:
    file = write(tmp_path, b" " * (2**20 + 1))
    assert load_error(file) == f"{file}: is larger than 1 MiB; is it the right file?"


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    file = write(tmp_path, '{"é": 1}'.encode("latin-1"))
    assert load_error(file) == f"{file}: is not UTF-8 (byte 2); save it as UTF-8"


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_a_file_that_anyone_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    file = write(folder, b"{}", mode=0o606)
    assert load_error(file) == (
        f"{file}: anyone may write to it, and it names programs to start; run: chmod o-w '{file}'"
    )


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert load_error(pipe) == f"{pipe}: is not a regular file; write the configuration to a file"


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, b"{}")

    def refuse(*_: object) -> None:  # modes do not bind root, as whom tests may run
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert load_error(file) == f"{file}: may not be read; run: chmod u+r on it, or run as its owner"
