"""The command line as a user meets it: exit codes, one line for what is wrong, what the verbs print."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from integration_harness import odd_server, script, write_config

PASTE_MCP = [sys.executable, "-m", "paste_mcp"]
TIMEOUT_S = 90


def run(*arguments, cwd=None):
    command = [*PASTE_MCP, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, timeout=TIMEOUT_S)


@dataclass(frozen=True)
class Bad:
    """Files to write, options to give, and what the one line has to name."""

    names: tuple[str, ...]
    config: str | None = '{"mcpServers": {"a": {"command": "true"}}}'
    patterns: str | None = None
    options: tuple[str, ...] = ()
    verb: str = "serve"
    rest: tuple[str, ...] = field(default=("--config", "c.json"))


def patterns_with(mapping):
    return f"""\
version: 1
patterns:
  - name: mine
    context: [{{tool: search}}]
    target: {{tool: visit}}
    arguments:
      url: {mapping}
    probability: 0.5
"""


BAD = {
    "missing file": Bad(("c.json", "no such file"), config=None),
    "missing file, check": Bad(("c.json", "no such file"), config=None, verb="check"),
    "not JSON": Bad(("c.json:1",), config='{"mcpServers": '),
    "misspelt command": Bad(("c.json", "mcpServers.a.comand", "'command'"), '{"mcpServers": {"a": {"comand": "x"}}}'),
    "unknown key in paste": Bad(
        ("c.json", "paste.speed"), '{"mcpServers": {"a": {"command": "x"}}, "paste": {"speed": 9}}'
    ),
    "unknown mode": Bad(
        ("c.json", "mcpServers.a.speculation"), '{"mcpServers": {"a": {"command": "x", "speculation": "always"}}}'
    ),
    "missing variable": Bad(
        ("c.json", "mcpServers.a.env.K", "PASTE_TEST_UNSET"),
        '{"mcpServers": {"a": {"command": "x", "env": {"K": "${PASTE_TEST_UNSET}"}}}}',
    ),
    "the same alias twice": Bad(
        ("c.json:1", "mcpServers"), '{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}'
    ),
    "aliases that differ by case": Bad(
        ("c.json", "mcpServers.A"), '{"mcpServers": {"a": {"command": "x"}, "A": {"command": "y"}}}'
    ),
    "pattern file missing": Bad(("p.yaml", "cannot be read"), options=("--patterns", "p.yaml")),
    "YAML that does not parse": Bad(
        ("p.yaml:3",), patterns="version: 1\npatterns:\n  ]\n", options=("--patterns", "p.yaml")
    ),
    "mapping from outside the context": Bad(
        ("p.yaml:7", "mine", "result"),
        patterns=patterns_with('{result: -3, path: "$.url"}'),
        options=("--patterns", "p.yaml"),
    ),
    "address that others can reach": Bad(
        ("--host 0.0.0.0", "127.0.0.1"),
        options=("--transport", "http", "--host", "0.0.0.0"),  # noqa: S104
    ),
    "name of another machine": Bad(("--host example.com",), options=("--transport", "sse", "--host", "example.com")),
    "port that is no number": Bad(("--port",), options=("--transport", "http", "--port", "abc")),
    "port out of range": Bad(("--port",), options=("--transport", "http", "--port", "70000")),
    "unknown transport": Bad(("--transport",), options=("--transport", "carrier-pigeon")),
    "unknown option": Bad(("--sped",), options=("--sped", "9")),
    "no config": Bad(("--config",), rest=()),
    "unknown verb": Bad(("sreve",), verb="sreve", rest=()),
    "record missing": Bad(("r.jsonl",), verb="explain", rest=("r.jsonl",)),
    "unknown verb of patterns": Bad(("lst",), verb="patterns", rest=("lst",)),
    "pattern that nobody knows": Bad(("no-such-pattern",), verb="patterns", rest=("disable", "no-such-pattern")),
    "latency that is no number": Bad(("--latency",), verb="demo", rest=(), options=("--latency", "fast")),
}


HELP = [
    ("--version", "paste-mcp "),
    ("--help", "serve"),
    ("serve --help", "--transport"),
    ("check --help", "--json"),
    ("demo --help", "--latency"),
    ("patterns --help", "forget"),
    ("patterns edit --help", "EDITOR"),
    ("explain --help", "--call"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, demo):
    """Every command of this file, by name, as futures: side by side, since most of it is starting Python. The demo is
    begun here as well, for the test that comes last.
    """

    def attempt(bad):
        folder = tmp_path_factory.mktemp("bad")
        for file, text in (("c.json", bad.config), ("p.yaml", bad.patterns)):
            if text is not None:
                (folder / file).write_text(text)
        return run(bad.verb, *bad.rest, *bad.options, cwd=folder)

    folders = {name: tmp_path_factory.mktemp(name) for name in ("check", "gone", "secret")}
    # Two that are the same, of which one is trusted.
    good = str(write_config(folders["check"], {"odd": odd_server(), "w": {**odd_server(), "speculation": "annotated"}}))
    missing = {"command": str(folders["gone"] / "no-such-program")}
    gone = str(write_config(folders["gone"], {"gone": missing, "odd": odd_server()}))
    spilt = {"url": "https://x", "headers": {"Authorization": "Bearer s3cr3t\n"}, "type": "stdio"}
    secret = str(write_config(folders["secret"], {"a": spilt}))
    with ThreadPoolExecutor(3) as pool:
        yield {
            **{name: pool.submit(attempt, bad) for name, bad in BAD.items()},
            **{arguments: pool.submit(run, *arguments.split()) for arguments, _ in HELP},
            "secret": pool.submit(run, "serve", "--config", secret),
            "check": pool.submit(run, "check", "--config", good),
            "check --json": pool.submit(run, "check", "--config", good, "--json"),
            "check, one gone": pool.submit(run, "check", "--config", gone, "--json"),
        }


# --- what cannot be used ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_told_in_one_line_that_names_the_place(runs, name):
    done = runs[name].result()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("paste-mcp: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith("\n")
    for part in BAD[name].names:
        assert part in done.stderr


def test_a_secret_in_a_bad_config_is_not_repeated(runs):
    done = runs["secret"].result()
    assert done.returncode == 2
    assert "s3cr3t" not in done.stdout + done.stderr


# --- help -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "told"), HELP)
def test_help_and_version_answer_and_succeed(runs, arguments, told):
    done = runs[arguments].result()
    assert (done.returncode, done.stderr) == (0, "")
    assert told in done.stdout


def test_the_console_script_is_the_same_program(runs):
    told = subprocess.check_output([script("paste-mcp"), "--version"], text=True, timeout=TIMEOUT_S)
    assert told == runs["--version"].result().stdout


# --- check ------------------------------------------------------------------------------------------------------------


def test_check_shows_each_tool_with_its_hints_the_decision_and_what_would_change_it(runs):
    shown = runs["check"].result()
    assert (shown.returncode, shown.stderr) == (0, "")
    shadow, _, trusted = shown.stdout.partition("w  protocol 2026-07-28, speculation annotated")
    assert "odd  protocol 2026-07-28, speculation shadow" in shadow
    rows, counted = (
        {line.split()[0]: line.split() for line in part.splitlines() if line} for part in (trusted, shadow)
    )
    assert rows["search"][1:5] == ["read-only,", "closed", "world", "yes"]
    assert rows["odd"][1:3] == ["writes", "no"]
    assert rows["unhinted"][1:3] == ["none", "no"]
    assert counted["search"][4] == "counted"
    assert '"speculation": {"mode": "annotated", "allow": ["unhinted"]}' in " ".join(trusted.split())


def test_check_tells_programs_the_same(runs):
    told = runs["check --json"].result()
    assert told.returncode == 0
    odd, w = json.loads(told.stdout.splitlines()[-1])["servers"]
    assert (odd["alias"], odd["speculation"], odd["problem"]) == ("odd", "shadow", None)
    assert (w["alias"], w["speculation"], w["protocol"]) == ("w", "annotated", "2026-07-28")
    tools = {tool["name"]: tool for tool in (*odd["tools"], *w["tools"])}
    search, writes, unhinted = tools["w__search"], tools["w__odd"], tools["w__unhinted"]
    assert search["hints"] == {"read_only": True, "destructive": None, "idempotent": None, "open_world": False}
    assert (search["eligible"], search["sent"], search["remedy"]) == (True, True, None)
    assert (writes["eligible"], writes["row"], writes["remedy"]) == (False, "write", None)
    assert unhinted["remedy"] == {"speculation": {"mode": "annotated", "allow": ["unhinted"]}}
    assert (tools["odd__search"]["eligible"], tools["odd__search"]["sent"]) == (True, False)


def test_a_remedy_that_check_offers_works_when_it_is_taken(tmp_path, runs):
    told = runs["check --json"].result()
    offered = {tool["tool"]: tool["remedy"] for tool in json.loads(told.stdout)["servers"][1]["tools"]}
    config = write_config(tmp_path, {"w": {**odd_server(), **offered["unhinted"]}})
    (w,) = json.loads(run("check", "--config", str(config), "--json").stdout)["servers"]
    assert {tool["tool"]: tool["sent"] for tool in w["tools"]}["unhinted"] is True


def test_check_says_no_when_a_server_does_not_start(runs):
    told = runs["check, one gone"].result()
    assert told.returncode == 1
    gone, odd = json.loads(told.stdout)["servers"]
    assert "no-such-program" in gone["problem"]
    assert (gone["tools"], odd["problem"], len(odd["tools"])) == ([], None, 7)
    assert "Traceback" not in told.stderr
