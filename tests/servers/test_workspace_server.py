"""The workspace server: confinement, editing, searching and test runs, in parts and as the real process."""

import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest
import workspace_tests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp.server.mcpserver import MCPServer
from workspace_files import Workspace
from workspace_grep import Job, is_plain
from workspace_grep import search as grep_files
from workspace_options import parse_options
from workspace_output import CUT, MAX_OUTPUT_CHARS, repeatable, shortened, summary
from workspace_tests import run_tests

WORKSPACE = Path(__file__).parents[2] / "servers/workspace"
SAMPLE_FAILURES = {
    "test_exactly_ten_pieces_are_discounted",
    "test_free_shipping_counts_the_discounted_price",
    "test_half_a_cent_is_rounded_up",
    "test_more_than_available_cannot_be_reserved",
    "test_the_scarcest_product_is_on_top",
}


def snapshot(root: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(root)): p.read_bytes() if p.is_file() else None for p in sorted(root.rglob("*"))}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside.txt").write_text("secret\n")
    root = tmp_path / "root"
    (root / "sub/.hidden").mkdir(parents=True)
    (root / "sub/.hidden/x.py").write_text("needle\n")
    (root / "sub/__pycache__").mkdir()
    (root / "sub/__pycache__/y.pyc").write_text("needle\n")
    (root / ".git").mkdir()
    (root / ".git/config").write_text("needle\n")
    (root / "a.py").write_bytes(b"one\r\ntwo needle\nthree\x0cstill three\n")
    (root / "sub/b.txt").write_text("needle (1)\nneedle (2)\n")
    (root / "sub/blob.bin").write_bytes(b"needle\0")
    (root / "link-out").symlink_to(tmp_path / "outside.txt")
    (root / "link-up").symlink_to(tmp_path)
    (root / "link-in").symlink_to("a.py")
    (root / "loop").symlink_to("loop")
    return root


@pytest.fixture
def sample(servers: Path, tmp_path: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__")
    copy = shutil.copytree(servers / "workspace/sample", tmp_path / "shop", ignore=ignore)
    # The sample uses no plugins, and loading those of the development environment takes longer than its tests.
    (copy / "pytest.ini").write_text("[pytest]\naddopts = -p no:hypothesispytest -p no:anyio\n")
    return copy


@pytest.fixture(scope="module")
def make_server() -> Callable[..., MCPServer]:
    """The server itself, for what needs no process of its own; its folder's script is loaded under another name."""
    spec = importlib.util.spec_from_file_location("workspace_main", WORKSPACE / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda root, *, test_timeout=20.0, test_runner="auto": module.make_server(
        module.Desk(module.Workspace(root), 0.0, test_timeout, test_runner)
    )


@pytest.fixture
async def signals(tmp_path: Path, anyio_backend: str) -> AsyncIterator[tuple[Path, int]]:
    """A pipe in the file system that a test under test writes to; it reads as ended once its writers are dead."""
    pipe = tmp_path / "signals"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    yield pipe, reader
    os.close(reader)


async def next_bytes(reader: int) -> bytes:
    with anyio.fail_after(20):
        await anyio.wait_readable(reader)
    return os.read(reader, 4096)


def endless_test(pipe: Path) -> str:
    """A test that reports where it runs, starts a child that keeps the pipe open too, and never ends."""
    return (
        "import os, subprocess, threading, unittest\n"
        "class T(unittest.TestCase):\n"
        "    def test_endless(self):\n"
        f"        pipe = open({str(pipe)!r}, 'w')\n"
        "        subprocess.Popen(['sleep', '60'], pass_fds=[pipe.fileno()])\n"
        "        print(os.getcwd(), file=pipe, flush=True)\n"
        "        threading.Event().wait()\n"
    )


OUTSIDE = ["../outside.txt", "sub/../../outside.txt", "/etc/passwd", "link-out", "link-up/outside.txt", "..", "a\0"]


@pytest.mark.parametrize("path", [*OUTSIDE, "loop", ".git/config", "missing.txt"])
def test_nothing_outside_the_workspace_is_reachable(root: Path, path: str) -> None:
    workspace = Workspace(root)
    for action in (
        lambda: workspace.read(path, 1, None),
        lambda: workspace.edit(path, "e", "f"),
        lambda: list(workspace.visible_files(path)),
    ):
        with pytest.raises(ValueError, match=r"workspace|no such file|itself"):
            action()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.sampled_from(["..", ".", "", "sub", "link-up", "link-out", "root", "outside.txt", "~", "/"])))
def test_no_spelling_of_a_path_escapes(root: Path, parts: list[str]) -> None:
    workspace = Workspace(root)
    try:
        found = workspace.resolve("/".join(parts))
    except ValueError:
        return
    assert found.is_relative_to(root)


def test_listing_leaves_out_links_hidden_files_and_caches(root: Path) -> None:
    listed = Workspace(root).list_files(".", 10)
    assert [(f.path, f.size) for f in listed.files] == [("a.py", 34), ("sub/b.txt", 22), ("sub/blob.bin", 7)]
    assert not listed.truncated
    short = Workspace(root).list_files(".", 2)
    assert (len(short.files), short.truncated) == (2, True)


def test_reading_counts_lines_as_editors_do_and_keeps_every_byte(root: Path) -> None:
    whole = Workspace(root).read("link-in", 1, None)
    assert (whole.path, whole.start, whole.end, whole.total_lines) == ("a.py", 1, 3, 3)
    assert whole.text.encode() == (root / "a.py").read_bytes()
    part = Workspace(root).read("a.py", 2, 2)
    assert (part.text, part.end) == ("two needle\n", 2)


def test_reading_refuses_lines_that_do_not_exist_and_bytes_that_are_no_text(root: Path) -> None:
    (root / "latin.txt").write_bytes(b"\xe9")
    for path, start, end in [("a.py", 4, None), ("a.py", 3, 2), ("latin.txt", 1, None), ("sub", 1, None)]:
        with pytest.raises(ValueError, match=r"no line|before start|UTF-8|not a file"):
            Workspace(root).read(path, start, end)


def test_editing_replaces_the_one_occurrence_and_nothing_else(root: Path) -> None:
    (root / "a.py").chmod(0o755)
    before = snapshot(root)
    done = Workspace(root).edit("a.py", "two needle", "zwei")
    after = snapshot(root)
    assert (done.path, done.replaced_at_line) == ("a.py", 2)
    assert after.pop("a.py") == b"one\r\nzwei\nthree\x0cstill three\n"
    assert after.pop("link-in") == b"one\r\nzwei\nthree\x0cstill three\n"
    assert after == {k: v for k, v in before.items() if k not in ("a.py", "link-in")}
    assert (root / "a.py").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [("absent", "x", "not found"), ("needle (", "x", "more than once"), ("", "x", "empty"), ("(1)", "(1)", "same")],
)
def test_an_unclear_edit_is_refused_and_changes_nothing(root: Path, old: str, new: str, reason: str) -> None:
    before = snapshot(root)
    with pytest.raises(ValueError, match=reason):
        Workspace(root).edit("sub/b.txt", old, new)
    assert snapshot(root) == before


def test_overlapping_occurrences_are_not_unique(root: Path) -> None:
    (root / "a.py").write_text("aaa")
    with pytest.raises(ValueError, match="more than once"):
        Workspace(root).edit("a.py", "aa", "b")


def test_grep_passes_over_binary_files_and_stops_at_the_limit(root: Path) -> None:
    files = ["a.py", "sub/b.txt", "sub/blob.bin", "gone.txt"]
    everything = grep_files(Job(root=str(root), files=files, pattern="needle", limit=3))
    assert [(m["path"], m["line"]) for m in everything["matches"]] == [("a.py", 2), ("sub/b.txt", 1), ("sub/b.txt", 2)]
    assert not everything["truncated"]
    assert grep_files(Job(root=str(root), files=files, pattern="needle", limit=2))["truncated"]


def test_only_patterns_without_special_characters_count_as_plain() -> None:
    assert is_plain("def total")
    assert not any(is_plain(pattern) for pattern in ("(a+)+$", "a|b", "a.", r"\d", "a{9}", "[a]"))


def test_durations_addresses_and_throw_away_paths_are_taken_out() -> None:
    text = (
        "/t/copy/a.py:1: <X object at 0x7f01ab>\n/t/tmp/tmpab12cd34\n=== 1 failed, 2 passed in 61.20s (0:01:01) ===\n"
    )
    clean = repeatable(text + "Ran 3 tests in 0.004s\nwaited in 0.5s\n", {"/t/copy": ".", "/t/tmp": "<tmp>"})
    assert clean == ("a.py:1: <X object at 0x…>\n<tmp>/tmp…\n== 1 failed, 2 passed ==\nRan 3 tests\nwaited in 0.5s\n")


def test_long_output_keeps_its_end_in_whole_lines() -> None:
    text = "".join(f"line {number}\n" for number in range(10_000))
    short = shortened(text)
    assert len(short) <= MAX_OUTPUT_CHARS + len(CUT)
    assert text.endswith(short.removeprefix(CUT))
    assert short.removeprefix(CUT).startswith("line ")


def test_the_summary_is_the_verdict_of_either_runner() -> None:
    assert summary("..\n== 1 failed, 2 passed ==\n") == "1 failed, 2 passed"
    assert summary("F\n------\nRan 3 tests\n\nFAILED (failures=1)\n") == "Ran 3 tests: FAILED (failures=1)"
    assert summary("") == "no output"


@pytest.mark.anyio
@pytest.mark.parametrize(("path", "failures"), [(".", 5), ("shop/tests", 5), ("shop/tests/test_money.py", 1)])
async def test_without_pytest_unittest_runs_everything_a_folder_or_a_file(
    sample: Path, monkeypatch: pytest.MonkeyPatch, path: str, failures: int
) -> None:
    monkeypatch.setattr(workspace_tests, "has_pytest", lambda: False)
    with anyio.fail_after(25):
        run = await run_tests(sample, path, 20)
    failed = [line for line in run.output.splitlines() if line.startswith("FAIL: ")]
    assert run.exit_code == 1
    assert len(failed) == failures
    assert "ERROR" not in run.output


def test_the_copy_holds_no_link_that_leads_back(root: Path, tmp_path: Path) -> None:
    (root / "absolute").symlink_to(root / "a.py")
    (root / "env").mkdir()
    (root / "env/pyvenv.cfg").touch()
    os.mkfifo(root / "fifo")
    copy = tmp_path / "copy"
    workspace_tests.copy_tree(root.resolve(), copy)
    top = sorted(path.name for path in copy.iterdir())
    assert top == ["a.py", "link-in", "sub"]
    assert (copy / "link-in").resolve() == (copy / "a.py").resolve()


def test_folders_the_tests_locked_are_removed_and_what_links_point_to_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree

    def refuse_once(folder: Path, *, ignore_errors: bool = False) -> None:
        if not ignore_errors:  # nobody is refused when the tests run as the administrator
            raise PermissionError
        assert (folder / "locked").stat().st_mode & 0o777 == 0o700
        remove(folder, ignore_errors=True)

    monkeypatch.setattr(workspace_tests.shutil, "rmtree", refuse_once)
    (tmp_path / "kept").mkdir(mode=0o500)
    (tmp_path / "gone/locked").mkdir(parents=True)
    (tmp_path / "gone/locked/file").touch()
    (tmp_path / "gone/link").symlink_to(tmp_path / "kept")
    (tmp_path / "gone/locked").chmod(0)
    workspace_tests.remove_tree(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o500


@pytest.mark.parametrize(
    "arguments", [[], ["/nowhere/at/all"], [".", "--latency", "inf"], [".", "--test-timeout", "x"]]
)
def test_a_bad_option_is_one_line_and_code_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse_options(arguments)
    printed = capsys.readouterr()
    assert (end.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)


@pytest.mark.anyio
async def test_the_tools_claim_no_more_than_they_keep(make_server, root) -> None:
    async with Client(make_server(root)) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    hints = {name: tool.annotations.model_dump(exclude_none=True, exclude={"title"}) for name, tool in tools.items()}
    reading = {"read_only_hint": True, "destructive_hint": False, "idempotent_hint": True, "open_world_hint": False}
    assert hints == {
        "list_files": reading,
        "grep": reading,
        "read": reading,
        "edit": {
            "read_only_hint": False,
            "destructive_hint": True,
            "idempotent_hint": False,
            "open_world_hint": False,
        },
        "run_tests": {},
    }
    assert all(tool.title and tool.output_schema for tool in tools.values())


@pytest.mark.anyio
async def test_grep_answers_classic_lines_and_structure_and_refuses_bad_patterns(make_server, root) -> None:
    async with Client(make_server(root)) as client:
        plain = await client.call_tool("grep", {"pattern": "needle", "limit": 2})
        special = await client.call_tool("grep", {"pattern": r"needle \(\d\)$", "path": "sub"})
        nothing = await client.call_tool("grep", {"pattern": "nowhere"})
        bad = await client.call_tool("grep", {"pattern": "("})
        outside = await client.call_tool("grep", {"pattern": "secret", "path": "link-out"})
    assert plain.content[0].text == "a.py:2:two needle\nsub/b.txt:1:needle (1)\n(only the first 2 matches)"
    assert plain.structured_content["truncated"]
    assert special.structured_content == {
        "pattern": r"needle \(\d\)$",
        "matches": [
            {"path": "sub/b.txt", "line": 1, "text": "needle (1)"},
            {"path": "sub/b.txt", "line": 2, "text": "needle (2)"},
        ],
        "truncated": False,
    }
    assert special.content[0].text == "sub/b.txt:1:needle (1)\nsub/b.txt:2:needle (2)"
    assert (nothing.content[0].text, nothing.is_error) == ("(no matches)", False)
    assert bad.is_error
    assert "bad regular expression" in bad.content[0].text
    assert outside.is_error


@pytest.mark.anyio
async def test_an_endless_pattern_holds_up_nobody(connect, servers, root) -> None:
    (root / "evil.txt").write_text("a" * 40 + "!\n")
    async with connect(servers / "workspace", str(root)) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.call_tool, "grep", {"pattern": "(a+)+$"})
        await anyio.wait_all_tasks_blocked()
        answer = await client.call_tool("read", {"path": "a.py", "start": 2, "end": 2})
        tasks.cancel_scope.cancel()
    assert answer.structured_content["text"] == "two needle\n"


@pytest.mark.anyio
async def test_mending_the_sample_leaves_it_green_and_unlittered(make_server, sample) -> None:
    mends = [
        ("shop/money.py", "import ROUND_DOWN", "import ROUND_HALF_UP"),
        ("shop/money.py", "=ROUND_DOWN", "=ROUND_HALF_UP"),
        ("shop/discounts.py", "> BULK_QUANTITY", ">= BULK_QUANTITY"),
        ("shop/stock.py", "self.available(code) <= 0", "self.available(code) < quantity"),
        ("shop/report.py", "reversed(codes)", "codes"),
        ("shop/invoice.py", "sum(line.price for line in lines) >=", "goods_price(lines) >="),
    ]
    files = set(snapshot(sample))
    async with Client(make_server(sample)) as client:
        with anyio.fail_after(25):
            first = await client.call_tool("run_tests", {})
            again = await client.call_tool("run_tests", {})
            for path, old, new in mends:
                edited = await client.call_tool("edit", {"path": path, "old": old, "new": new})
                assert not edited.is_error, edited.content
            last = await client.call_tool("run_tests", {})
    failed = {line for line in first.structured_content["output"].splitlines() if line.startswith("FAILED ")}
    assert {name for name in SAMPLE_FAILURES if any(name in line for line in failed)} == SAMPLE_FAILURES
    assert first.structured_content["summary"] == "5 failed, 12 passed"
    assert not first.structured_content["passed"]
    assert again.model_dump_json() == first.model_dump_json()
    assert last.structured_content["passed"], last.structured_content["output"]
    assert last.structured_content["exit_code"] == 0
    assert set(snapshot(sample)) == files


@pytest.mark.anyio
async def test_the_same_workspace_gives_the_same_output(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_tests, "has_pytest", lambda: False)
    words = "set('the quick brown fox jumps over a lazy dog and runs far away from here'.split())"
    body = f"print({words}, tempfile.mkdtemp(), tempfile.gettempdir(), __file__, object())"
    source = f"import tempfile, unittest\nclass T(unittest.TestCase):\n    def test_print(self):\n        {body}\n"
    (root / "test_print.py").write_text(source)
    with anyio.fail_after(25):
        first, again = [await run_tests(root, ".", 20) for _ in range(2)]
    assert "fox" in first.output
    assert repeatable(first.output, first.folders) == repeatable(again.output, again.folders)


@pytest.mark.anyio
async def test_tests_that_write_into_their_folder_leave_the_workspace_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace_tests, "has_pytest", lambda: False)
    lines = ["pathlib.Path('a.py').write_text('gone')", "print('in', pathlib.Path.cwd())", "self.fail()"]
    body = "\n        ".join(["    def test_write(self):", *lines])
    (root / "test_write.py").write_text(f"import pathlib, unittest\nclass T(unittest.TestCase):\n{body}\n")
    before = snapshot(root)
    with anyio.fail_after(25):
        run = await run_tests(root, "test_write.py", 20)
    assert "in .\n" in repeatable(run.output, run.folders)
    assert str(root) not in run.output
    assert snapshot(root) == before


@pytest.mark.anyio
async def test_tests_out_of_time_are_stopped_with_all_their_children(
    root: Path, signals: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace_tests, "has_pytest", lambda: False)
    pipe, reader = signals
    (root / "test_endless.py").write_text(endless_test(pipe))
    with anyio.fail_after(25):
        run = await run_tests(root, ".", 3)
    where = Path((await next_bytes(reader)).decode().strip())
    assert await next_bytes(reader) == b""
    assert run.exit_code is None
    assert not where.parent.parent.exists()


@pytest.mark.anyio
@pytest.mark.parametrize(("runner", "verdict"), [("unittest", "Ran 1 test: OK"), ("pytest", "1 passed")])
async def test_the_test_runner_is_the_one_that_was_asked_for(make_server, root, runner, verdict) -> None:
    case = "import unittest\n\nclass T(unittest.TestCase):\n    def test_it(self):\n        pass\n"
    (root / "test_case.py").write_text(case)
    with anyio.fail_after(25):
        async with Client(make_server(root, test_runner=runner)) as client:
            answer = await client.call_tool("run_tests", {"path": "test_case.py"})
    assert answer.structured_content["summary"] == verdict


@pytest.mark.anyio
async def test_a_call_out_of_time_says_so(make_server, root) -> None:
    (root / "test_nothing.py").write_text("")
    with anyio.fail_after(25):
        async with Client(make_server(root, test_timeout=0)) as client:
            answer = await client.call_tool("run_tests", {})
    assert answer.structured_content == {
        "passed": False,
        "exit_code": None,
        "summary": "stopped after 0 s",
        "output": "",
    }


@pytest.mark.anyio
async def test_a_cancelled_test_run_is_killed_while_others_are_answered(connect, servers, root, signals) -> None:
    pipe, reader = signals
    (root / "test_endless.py").write_text(endless_test(pipe))
    copy = shutil.copytree(servers / "workspace", root.parent / "somewhere else")
    async with connect(copy, str(root)) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "run_tests", {})
            where = Path((await next_bytes(reader)).decode().strip())
            assert not (await client.call_tool("read", {"path": "a.py"})).is_error
            tasks.cancel_scope.cancel()
        assert await next_bytes(reader) == b""
    assert not where.parent.parent.exists()


@pytest.mark.anyio
async def test_a_client_that_leaves_takes_the_running_tests_with_it(connect, servers, root, signals) -> None:
    pipe, reader = signals
    (root / "test_endless.py").write_text(endless_test(pipe))
    async with anyio.create_task_group() as tasks:

        async def call(client) -> None:
            with pytest.raises(Exception, match=r"[Cc]losed"):
                await client.call_tool("run_tests", {})

        async with connect(servers / "workspace", str(root)) as client:
            tasks.start_soon(call, client)
            where = Path((await next_bytes(reader)).decode().strip())
        assert await next_bytes(reader) == b""
    assert not where.parent.parent.exists()
