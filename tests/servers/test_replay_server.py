"""The replay server: a recorded session answers the official client as it answered then."""

import json
import runpy
import sys

import anyio
import pytest
from mcp import Client

from paste_mcp.lab.overhead.processes import Process
from paste_mcp.lab.overhead.running import free_port

pytestmark = pytest.mark.anyio

CALLS = [
    {"tool": "shop/list_items", "arguments": {}, "result": '{"items": ["a", "b"]}', "read_only": True},
    {"tool": "shop/get_item", "arguments": {"id": "a", "full": True}, "result": "an apple", "read_only": True},
    {"tool": "shop/get_item", "arguments": {"id": "a", "full": True}, "result": "a pear", "read_only": True},
    {"tool": "shop/buy", "arguments": {"id": "a", "n": 1}, "result": "sold out", "is_error": True, "read_only": False},
    {"tool": "mail/send", "arguments": {"to": None}, "result": "sent", "started": 1.0, "ended": 1.3},
]


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace.jsonl"
    sessions = [{"session": "first", "calls": CALLS}, {"session": "second", "calls": CALLS[:1]}]
    path.write_text("".join(json.dumps(each) + "\n" for each in sessions))
    return path


async def test_tools_are_listed_as_their_calls_show_them(connect, servers, trace):
    async with connect(servers / "replay", str(trace), "--server", "shop") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == ["buy", "get_item", "list_items"]
    assert {name: tool.annotations.read_only_hint for name, tool in tools.items()} == {
        "buy": False,
        "get_item": True,
        "list_items": True,
    }
    assert tools["get_item"].input_schema == {
        "type": "object",
        "properties": {"id": {"type": "string"}, "full": {"type": "boolean"}},
        "required": ["id", "full"],
    }


async def test_equal_calls_are_answered_in_turn_and_then_by_the_last_answer(connect, servers, trace):
    async with connect(servers / "replay", str(trace), "--session", "first", "--server", "shop") as client:
        answers = [await client.call_tool("get_item", {"full": True, "id": "a"}) for _ in range(3)]
        sold_out = await client.call_tool("buy", {"id": "a", "n": 1})
    assert [answer.content[0].text for answer in answers] == ["an apple", "a pear", "a pear"]
    assert not any(answer.is_error for answer in answers)
    assert (sold_out.content[0].text, sold_out.is_error) == ("sold out", True)


async def test_what_was_not_recorded_is_an_error_that_says_what_was(connect, servers, trace):
    async with connect(servers / "replay", str(trace)) as client:
        other = await client.call_tool("shop__get_item", {"id": "z", "full": True})
        none = await client.call_tool("shop__steal", {})
    assert other.is_error and '{"id": "a", "full": true}' in other.content[0].text
    assert none.is_error and "mail__send, shop__buy, shop__get_item" in none.content[0].text


async def test_a_call_takes_as_long_as_it_took_or_as_it_is_told(connect, servers, trace):
    async with connect(servers / "replay", str(trace), "--server", "mail") as client:
        await client.list_tools()
        began = anyio.current_time()
        await client.call_tool("send", {"to": None})
        assert anyio.current_time() - began >= 0.3
    async with connect(servers / "replay", str(trace), "--server", "shop", "--latency", "fixed:0.2") as client:
        began = anyio.current_time()
        await client.call_tool("list_items", {})
        assert anyio.current_time() - began >= 0.2


async def test_it_serves_http(servers, trace):
    port = free_port()
    command = [sys.executable, str(servers / "replay"), str(trace), "--transport", "http", "--port", str(port)]
    process = Process(command, {}, piped=False)
    try:
        with anyio.fail_after(30):
            while True:
                try:
                    await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await anyio.sleep(0.01)
            async with Client(f"http://127.0.0.1:{port}/mcp") as client:
                answer = await client.call_tool("shop__list_items", {})
        assert answer.content[0].text == '{"items": ["a", "b"]}'
    finally:
        await anyio.to_thread.run_sync(process.close)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (["{trace}", "--session", "third"], "holds no such session"),
        (["{trace}", "--server", "nobody"], "no call to a server called 'nobody'"),
        (["{trace}", "--latency", "soon"], "--latency soon"),
    ],
)
def test_bad_input_gets_one_line(servers, trace, arguments, told, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["replay", *(each.format(trace=trace) for each in arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(servers / "replay"), run_name="__main__")
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 2 and told in said and len(said.splitlines()) == 1
