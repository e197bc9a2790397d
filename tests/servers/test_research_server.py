"""The research server: its index, its cache file, and the real process through the official client."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
import research_cache
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from research_build import build, library_docs
from research_cache import IndexCache, IndexUnavailable
from research_options import parse_options
from research_query import search, usable, visit

SOURCE = '''
"""Keeping bees."""
raise SystemExit("this source must never run")

class Hive(object):
    """A home for bees."""
    def open(self, gently=True):
        """Lift the lid."""
    def _hidden(self):
        """Nobody reads this."""
    def silent(self): ...

try:
    async def swarm(*, size: int = 3):
        """Bees on the move look for a home; bees, bees."""
except NameError:
    pass

def undocumented(): ...
'''


# What has a meaning in the query language of SQLite's full-text search.
SYNTAX = [
    "AND",
    "OR",
    "NOT",
    "NEAR",
    "title",
    "bees",
    " ",
    '"',
    "'",
    "*",
    "^",
    ":",
    "(",
    ")",
    "{",
    "}",
    "-",
    "+",
    ",",
    "\0",
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    (folder / "apiary").mkdir()
    (folder / "apiary/__init__.py").write_text(SOURCE)
    (folder / "honey.py").write_text('"""Honey jars, and nothing of hives."""\n')
    (folder / "broken.py").write_text("def (:\n")
    (folder / "binary.py").write_bytes(b"\xff\xfe\x00\x01")
    (folder / "dangling.py").symlink_to(folder / "nowhere.py")
    (folder / "test").mkdir()
    (folder / "test/test_bees.py").write_text('"""Tests of bees."""\n')
    return folder


@pytest.fixture(scope="module")
def index(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("index") / "index.sqlite"
    build(library, file)
    return file


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the processes of this run, so that the whole library is indexed once."""
    return tmp_path_factory.mktemp("cache")


def test_only_documented_public_names_of_readable_modules_become_pages(library: Path) -> None:
    assert [doc.url for doc in library_docs(library)] == [
        "doc://python/honey",
        "doc://python/apiary",
        "doc://python/apiary#Hive",
        "doc://python/apiary#Hive.open",
        "doc://python/apiary#swarm",
    ]


def test_a_page_shows_signature_and_text_and_leads_to_its_surroundings(index: Path) -> None:
    hive, swarm = visit(index, "doc://python/apiary#Hive"), visit(index, "doc://python/apiary#swarm")
    assert hive is not None
    assert swarm is not None
    assert hive.text == "class Hive(object)\n\nA home for bees."
    assert swarm.text.startswith("async def swarm(*, size: int=3)\n\nBees on the move")
    assert hive.title == "apiary.Hive"
    assert hive.see_also == ["doc://python/apiary#Hive.open", "doc://python/apiary", "doc://python/apiary#swarm"]


def test_there_is_no_page_at_an_unknown_url(index: Path) -> None:
    assert visit(index, "doc://python/apiary#wasp") is None


def test_a_word_in_the_name_outranks_words_in_the_text(index: Path) -> None:
    result = search(index, "hive", 5)
    assert result.results[0].url == "doc://python/apiary#Hive"
    assert "doc://python/honey" in [hit.url for hit in result.results]
    assert [hit.score for hit in result.results] == sorted((hit.score for hit in result.results), reverse=True)


def test_word_forms_are_found_and_the_limit_is_kept(index: Path) -> None:
    assert [hit.url for hit in search(index, "moving", 5).results] == ["doc://python/apiary#swarm"]
    assert len(search(index, "bees home", 1).results) == 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.one_of(st.text(), st.lists(st.sampled_from(SYNTAX)).map("".join)))
def test_any_text_is_a_valid_query(index: Path, query: str) -> None:
    assert search(index, query, 3).query == query


def test_a_query_without_words_finds_nothing(index: Path) -> None:
    assert search(index, '"*" _ --', 5).results == []


def test_half_an_index_is_not_usable(index: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.sqlite"
    half.write_bytes(index.read_bytes()[: index.stat().st_size // 2])
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    assert usable(index)
    assert not usable(half)
    assert not usable(empty)
    assert not usable(tmp_path / "missing.sqlite")


@pytest.mark.anyio
async def test_the_cache_file_is_private_and_reused(library: Path, tmp_path: Path) -> None:
    with anyio.fail_after(20):
        first = await IndexCache(tmp_path / "new/cache", usable, library).path()
        made = first.stat()
        again = await IndexCache(tmp_path / "new/cache", usable, library).path()
    assert stat.S_IMODE(made.st_mode) == 0o600
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    assert (again, again.stat().st_ino) == (first, made.st_ino)
    assert [file.name for file in first.parent.iterdir()] == [first.name]


@pytest.mark.anyio
async def test_a_damaged_cache_file_is_replaced(library: Path, tmp_path: Path) -> None:
    with anyio.fail_after(20):
        file = await IndexCache(tmp_path, usable, library).path()
        file.write_bytes(b"not a database")
        assert await IndexCache(tmp_path, usable, library).path() == file
    assert usable(file)


@pytest.mark.anyio
async def test_a_changed_library_gets_a_new_index(library: Path, tmp_path: Path) -> None:
    other = shutil.copytree(library, tmp_path / "library", symlinks=True)
    with anyio.fail_after(20):
        before = await IndexCache(tmp_path / "cache", usable, other).path()
        (other / "wax.py").write_text('"""Candles."""\n')
        after = await IndexCache(tmp_path / "cache", usable, other).path()
    assert after != before
    assert search(after, "candles", 1).results[0].url == "doc://python/wax"


@pytest.mark.anyio
async def test_without_a_writable_home_the_index_is_kept_elsewhere(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(research_cache, "default_directory", lambda: tmp_path / "file/below")
    with anyio.fail_after(20):
        file = await IndexCache(None, usable, library).path()
    assert usable(file)
    assert not file.is_relative_to(tmp_path)


@pytest.mark.anyio
async def test_a_library_without_source_is_reported_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    with anyio.fail_after(20), pytest.raises(IndexUnavailable, match="no documented Python source"):
        await IndexCache(tmp_path / "cache", usable, tmp_path / "library").path()
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["--latency", "-1"], ["--latency", "nan"], ["--port", "70000"], ["--transport", "pigeon"], ["stray"]]
)
def test_a_bad_option_is_one_line_and_code_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse_options(arguments)
    printed = capsys.readouterr()
    assert (end.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)


def test_the_process_reports_a_bad_option_on_stderr_only(servers: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, str(servers / "research"), "--cache-dir", str(tmp_path / "file/below")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


@pytest.mark.anyio
@pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_a_copied_server_answers_in_both_protocol_eras(connect, servers, cache_dir, tmp_path, mode, version):
    copy = shutil.copytree(servers / "research", tmp_path / "somewhere else")
    async with connect(copy, "--cache-dir", str(cache_dir), mode=mode) as client:
        assert client.protocol_version == version
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        found = await client.call_tool("search", {"query": "asyncio gather future", "limit": 3})
        hits = found.structured_content["results"]
        page = await client.call_tool("visit", {"url": hits[0]["url"]})
        unknown = await client.call_tool("visit", {"url": "doc://python/json#dumpss"})
    assert sorted(tools) == ["search", "visit"]
    for tool in tools.values():
        hints = tool.annotations
        assert (hints.read_only_hint, hints.destructive_hint) == (True, False)
        assert (hints.idempotent_hint, hints.open_world_hint) == (True, False)
        assert tool.title
        assert tool.output_schema
    assert len(hits) == 3
    assert hits[0]["url"] == "doc://python/asyncio.tasks#gather"
    assert page.structured_content["title"] == hits[0]["title"]
    assert "aggregating" in page.structured_content["text"]
    assert "doc://python/asyncio.tasks" in page.structured_content["see_also"]
    assert unknown.is_error
    assert "no page" in unknown.content[0].text
    assert "doc://python/json" in unknown.content[0].text.partition("Near:")[2]


@pytest.mark.anyio
async def test_waiting_calls_hold_up_nobody(connect, servers, cache_dir) -> None:
    options = ("--cache-dir", str(cache_dir), "--latency", "3600")
    async with connect(servers / "research", *options) as client, anyio.create_task_group() as tasks:
        for query in ("one", "two"):
            tasks.start_soon(client.call_tool, "search", {"query": query})
        await anyio.wait_all_tasks_blocked()
        assert len((await client.list_tools()).tools) == 2
        tasks.cancel_scope.cancel()
