"""`paste-mcp bench overhead`: a short real run tells figures that agree; a wrong answer is no figure."""

import json
import os
import select
import sys

import pytest
from typer.testing import CliRunner

from paste_mcp.cli import app
from paste_mcp.lab.overhead import peers, rounds, run
from paste_mcp.lab.overhead.figures import CELLS, LATENCY, THROUGHPUT, Results, Sample, medians, ratios, sample
from paste_mcp.lab.overhead.peers import PEERS
from paste_mcp.lab.overhead.processes import Process
from paste_mcp.lab.overhead.running import OverheadError, running
from paste_mcp.lab.overhead.subjects import DIRECT, FLOOR, OFF, OWN, ROUTES, Setting, echo
from paste_mcp.lab.overhead.wires import parse

FIGURES = {"p50_ms", "p99_ms", "calls_s", "cpu_ms", "memory_mb", "added_p50_ms"}
WRONG = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    result = {"tools": [], "content": [{"type": "text", "text": "something else"}]}
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def bench(*options):
    return CliRunner().invoke(app, ["bench", "overhead", *options])


@pytest.fixture
def short(monkeypatch):
    """As few calls as there can be."""
    monkeypatch.setattr(rounds, "SLICE_S", 0.0)
    monkeypatch.setattr(rounds, "LIST_S", 0.0)


def script(code):
    return lambda setting: [sys.executable, "-c", code]


# --- the verb -------------------------------------------------------------------------------------------------------


def test_the_last_line_holds_figures_that_agree_with_each_other(short, monkeypatch):
    monkeypatch.setattr(run, "BEFORE_SDK", {})
    done = bench("--only", "stdio", "--rounds", "1", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[-1])

    subjects = told["stdio"]
    assert set(subjects) == set(OWN)
    for figures in subjects.values():
        assert set(figures) == FIGURES
        assert 0 < figures["p50_ms"] <= figures["p99_ms"]
        assert figures["added_p50_ms"] == pytest.approx(figures["p50_ms"] - subjects["direct"]["p50_ms"])
    added = {name: figures["added_p50_ms"] for name, figures in subjects.items()}
    assert told["ratios"]["stdio_added_vs_floor"] == pytest.approx(added["paste"] / added["floor"], rel=0.01)
    rows = {(row["subject"], row["bytes"], row["in_flight"]): row for row in told["rows"]}
    assert len(rows) == len(told["rows"]) == len(subjects) * len(CELLS)
    assert subjects["paste"]["p50_ms"] == rows["paste", *LATENCY]["p50_ms"]
    assert subjects["paste"]["calls_s"] == rows["paste", *THROUGHPUT]["calls_s"]
    assert all(set(told[figure]) == set(subjects) for figure in ("start_s", "idle_mb", "list_200_ms"))
    assert (told["rounds"], told["speculated"]) == (1, 0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--vs", "fastmcp,speedy"), ("--vs speedy", "fastmcp", "mcp-proxy")),
        (("--only", "pigeon"), ("--only pigeon", "stdio", "http_stdio", "http_http")),
    ],
)
def test_what_is_not_known_is_named_in_one_line(options, named):
    done = bench(*options)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert all(name in line for name in named)


def test_a_subject_that_cannot_be_measured_is_one_line_and_its_last_words(short, monkeypatch):
    monkeypatch.setattr(run, "OWN", {DIRECT: script("import sys; sys.exit('no more beans')")})
    done = bench("--only", "stdio")
    assert done.exit_code == 1
    assert "paste-mcp: direct: it ended (no more beans)" in done.stderr.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_is_installed_once_and_measured_beside_us(name, short, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    route = PEERS[name].routes[0]
    for _ in range(2):
        done = bench("--vs", name, "--only", route, "--rounds", "1", "--json")
        assert done.exit_code == 0, done.output
        assert set(json.loads(done.stdout.splitlines()[-1])[route][name]) == FIGURES
        assert PEERS[name].installed
        monkeypatch.delattr(peers.Peer, "install", raising=False)


# --- the measurement ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES[1:], ids=lambda route: route.name)
def test_every_way_of_calling_is_measured_over_http(route, short, tmp_path):
    results, told = Results(), []
    rounds.measure_route(route, {name: OWN[name] for name in (DIRECT, FLOOR)}, 2, tmp_path, results, told.append)
    assert len(told) == rounds.steps_of_route((DIRECT, FLOOR), 2)
    measured = results.samples[route.name]
    assert list(measured) == [DIRECT, FLOOR]
    for cells in measured.values():
        assert {cell: len(samples) for cell, samples in cells.items()} == dict.fromkeys(CELLS, 2)


def test_a_wrong_answer_is_no_figure(tmp_path):
    with (
        pytest.raises(OverheadError, match=r"broken: a wrong answer: .*something else"),
        running("broken", script(WRONG), Setting(echo(), tmp_path)) as subject,
    ):
        subject.host.call_for(0.0, 1, "hello")


def test_unasked_calls_are_counted_from_the_records(tmp_path):
    (tmp_path / "sessions").mkdir()
    for name, issued in (("one", 2), ("two", 3)):
        lines = [{"session": name, "n": 0}, {"session": name, "summary": {"issued": issued}}]
        (tmp_path / "sessions" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert run.speculated_calls(tmp_path) == 5


def test_a_measured_process_takes_what_it_started_with_it(tmp_path):
    os.mkfifo(held := tmp_path / "held")
    code = f"import subprocess, sys; subprocess.Popen(['sleep', '600'], stderr=open({str(held)!r}, 'wb'));"
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    process = Process([sys.executable, "-c", code + "print(flush=True); sys.stdin.read()"], os.environ, piped=True)
    process.stdout.readline()
    process.close()
    # The pipe ends when the last of them has.
    assert select.select([reader], [], [], 20)[0]
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_processs_own_cpu_time_is_read_and_not_that_of_others():
    burn = "import sys\nfor _ in sys.stdin:\n    sum(range(3_000_000))\n    print(flush=True)"
    busy, idle = (Process([sys.executable, "-c", burn], os.environ, piped=True) for _ in range(2))
    try:
        before = busy.cpu_s(), idle.cpu_s()
        if before[0] is None:
            pytest.skip("this system does not tell another process's CPU time")
        busy.stdin.write(b"\n")
        busy.stdin.flush()
        busy.stdout.readline()
        assert busy.cpu_s() - before[0] > 2 * (idle.cpu_s() - before[1])
    finally:
        busy.close()
        idle.close()


def test_an_environment_that_cannot_be_made_is_one_line_and_not_taken_for_made(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(peers.sys, "executable", "false")
    with pytest.raises(OverheadError, match=r"fastmcp==.* cannot be installed into .*: exit code 1"):
        PEERS["fastmcp"].install()
    assert not PEERS["fastmcp"].installed


# --- figures --------------------------------------------------------------------------------------------------------


def test_one_round_is_its_median_its_slowest_hundredth_and_its_rate():
    took = [0.001] * 98 + [0.005, 0.009]
    measured = sample(took, 2.0, 0.5, 33.0)
    assert (measured.p50_ms, measured.p99_ms, measured.calls_s, measured.cpu_ms) == pytest.approx((1, 9, 50, 5))


def test_a_disturbed_round_does_not_count():
    quiet = Sample(p50_ms=1.0, p99_ms=2.0, calls_s=100.0, cpu_ms=None, memory_mb=20.0)
    disturbed = Sample(p50_ms=90.0, p99_ms=99.0, calls_s=1.0, cpu_ms=None, memory_mb=20.0)
    assert medians([quiet, disturbed, quiet]) == quiet


def test_a_goal_is_reached_from_its_own_side():
    def at(p50_ms, calls_s):
        return {cell: [Sample(p50_ms, p50_ms, calls_s, 1.0, 1.0)] for cell in CELLS}

    results = Results({"stdio": {DIRECT: at(1, 9000), FLOOR: at(2, 5000), OFF: at(3, 3000), "fastmcp": at(9, 150)}})
    found = {ratio.name: (ratio.value, ratio.reached) for ratio in ratios(results)}
    assert found == {"stdio_added_vs_floor": (2.0, False), "stdio_calls_s_vs_fastmcp": (20.0, True)}


# --- the wire -------------------------------------------------------------------------------------------------------

EVENTS = b'event: message\r\ndata: {"id":1}\r\n\r\n'
RESPONSES = {
    "JSON": (b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"id":1}', [b'{"id":1}']),
    "accepted": (b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", []),
    "events in chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"10\r\nid: 1\r\ndata:\r\n\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(EVENTS), EVENTS),
        [b'{"id":1}'],
    ),
}


@pytest.mark.parametrize(("data", "messages"), RESPONSES.values(), ids=RESPONSES)
def test_a_response_is_read_when_it_is_whole_and_not_before(data, messages):
    assert [parse(data[:length]) for length in range(len(data))] == [None] * len(data)
    assert parse(data).messages() == messages
