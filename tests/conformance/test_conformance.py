"""The official conformance suite sees the same server with and without the proxy in between.

Both protocol eras, with the server over HTTP and as a process, with speculation off and on; and from the other side,
what a server sees of a client behind the proxy. See README.md for how to run it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conformance_suite import Results, Suite, counts, suite, worst
from expected_differences import EXPECTED
from npm_packages import Missing

pytestmark = pytest.mark.conformance

HERE = Path(__file__).parent
START_TIMEOUT_S = 30
OLD, NEW = "0.1.16", "0.2.0-alpha.12"
RUNS = [(OLD, None), (NEW, "2025-11-25"), (NEW, "2026-07-28")]
CLIENT_SCENARIOS = [
    *(("2025-11-25", name) for name in ("initialize", "tools_call", "elicitation-sep1034-client-defaults")),
    *(("2025-11-25", name) for name in ("sse-retry", "json-schema-2020-12-preservation")),
    *(("2026-07-28", name) for name in ("tools_call", "request-metadata", "sep-2322-client-request-state")),
    *(("2026-07-28", f"http-{name}") for name in ("standard-headers", "custom-headers", "invalid-tool-headers")),
    *(("2026-07-28", f"json-schema-{name}") for name in ("ref-no-deref", "2020-12-preservation")),
]


def installed(version: str) -> Suite:
    try:
        return suite(version)
    except Missing as missing:
        pytest.skip(str(missing))


# --- processes ------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int, log: Path, state: Path) -> Iterator[str]:
    """A server in a process of its own; its URL, once it listens."""
    with log.open("w") as output:
        environment = {**os.environ, "PASTE_MCP_STATE_DIR": str(state)}
        process = subprocess.Popen([sys.executable, *command], stdout=output, stderr=output, env=environment)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            pytest.fail(f"{command} does not listen:\n{log.read_text()}")
        # By name: the suite's rebinding scenario wants a host that it may replace.
        yield f"http://localhost:{port}/mcp"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def fixture_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("fixture"), free_port()
    command = [str(HERE / "fixture_server.py"), "--port", str(port)]
    with serving(command, port, folder / "log", folder) as url:
        yield url


@contextmanager
def proxy(server: dict[str, Any], speculation: str, folder: Path) -> Iterator[str]:
    config, port = folder / "config.json", free_port()
    paste = {"prefix": False, "speculation": speculation}
    config.write_text(json.dumps({"mcpServers": {"fixture": server}, "paste": paste}))
    command = ["-m", "paste_mcp", "serve", "--config", str(config), "--transport", "http", "--port", str(port)]
    with serving(command, port, folder / "log", folder / "state") as url:
        yield url


@pytest.fixture(scope="module")
def direct(fixture_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str | None], Results]:
    """What the suite finds without a proxy, for each of its runs."""
    return {
        (version, requirements): installed(version).server(fixture_url, requirements, tmp_path_factory.mktemp("direct"))
        for version, requirements in RUNS
    }


# --- servers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "requirements"), RUNS)
def test_the_fixture_itself_conforms(direct, version, requirements):
    """Else equal results could be equal failures. The tasks extension is no part of the fixture, nor ever scored."""
    failing = {
        scenario
        for scenario, checks in direct[version, requirements].items()
        if not scenario.startswith("tasks-") and worst(checks)
    }
    assert not failing
    assert len(direct[version, requirements]) >= 30


@pytest.mark.parametrize(
    ("version", "requirements", "transport", "speculation"),
    [
        *((*run, "http", "off") for run in RUNS),
        (NEW, "2025-11-25", "http", "annotated"),
        (NEW, "2026-07-28", "http", "annotated"),
        # A process for each session: the older revision takes a minute.
        (NEW, "2025-11-25", "stdio", "annotated"),
        (NEW, "2026-07-28", "stdio", "annotated"),
    ],
)
def test_a_server_behind_the_proxy_conforms_as_it_does_alone(
    direct, fixture_url, tmp_path, version, requirements, transport, speculation, record_property
):
    stdio = {"command": sys.executable, "args": [str(HERE / "fixture_server.py"), "--stdio"]}
    server = stdio if transport == "stdio" else {"type": "http", "url": fixture_url}
    with proxy(server, speculation, tmp_path) as url:
        proxied = installed(version).server(url, requirements, tmp_path / "out")
    alone = direct[version, requirements]
    record_property("direct", counts(alone))
    record_property("proxied", counts(proxied))
    print(f"direct: {counts(alone)}; proxied: {counts(proxied)}")
    expected = {(entry.scenario, entry.check) for entry in EXPECTED if entry.requirements == requirements}
    found = differences(alone, proxied)
    assert {key: found[key] for key in found.keys() - expected} == {}
    assert expected <= found.keys(), "an expected difference no longer happens: take it off the list"


def differences(direct: Results, proxied: Results) -> dict[tuple[str, str], str]:
    """By scenario and check: what only one of the two runs found."""
    found: dict[tuple[str, str], str] = {}
    for scenario in direct.keys() | proxied.keys():
        one, other = direct.get(scenario, Counter()), proxied.get(scenario, Counter())
        for sign, only in (("only direct", one - other), ("only proxied", other - one)):
            for id, name, status in only:
                found[scenario, id] = f"{found.get((scenario, id), '')} {sign}: {name} {status}".strip()
    return found


# --- clients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spec_version", "scenario"), CLIENT_SCENARIOS)
def test_a_client_behind_the_proxy_conforms_as_it_does_alone(tmp_path, spec_version, scenario):
    command = f"{sys.executable} {HERE / 'fixture_client.py'}"
    run = installed(NEW).client
    [alone] = run(command, scenario, spec_version, tmp_path / "direct").values()
    [proxied] = run(f"{command} --proxied", scenario, spec_version, tmp_path / "proxied").values()
    assert [check for check in proxied if check[2] in ("FAILURE", "WARNING")] == []
    # The proxy may show more of itself than the client does: it listens for changes.
    assert alone - proxied == Counter()
