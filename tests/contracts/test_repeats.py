"""Long messages that come or go again: never anything but what parsing and writing them anew would give."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.proxy import repeats, wire
from paste_mcp.proxy.repeats import Incoming, Outgoing

TOOLS = [{"name": f"tool {n}", "description": "é\u2028" * 40, "inputSchema": {"n": n}} for n in range(200)]


def answer(id, result=None, **more):
    return {"jsonrpc": "2.0", "id": id, "result": {"tools": TOOLS} if result is None else result, **more}


def typescript(message):
    """As JavaScript servers write it: the id at the end."""
    return {"result": message["result"], "jsonrpc": "2.0", "id": message["id"]}


@pytest.mark.parametrize("order", [dict, typescript])
@pytest.mark.parametrize("write", [orjson.dumps, lambda message: json.dumps(message).encode() + b"\r"])
def test_the_same_answer_to_another_request_is_the_same_object(order, write):
    incoming = Incoming()
    first = incoming.decode(write(order(answer(7))))
    second = incoming.decode(write(order(answer(1234))))
    assert (first, second) == (answer(7), answer(1234))
    assert second["result"] is first["result"]


def test_a_long_answer_that_differs_anywhere_is_parsed():
    incoming = Incoming()
    line = orjson.dumps(answer(7))
    incoming.decode(line)
    for place in (line.index(b"tool 0") + 5, line.index(b"tool 199") + 7, len(line) - 4):
        changed = line[:place] + b"x" + line[place + 1 :]
        try:
            expected = wire.decode(changed)
        except ValueError:
            with pytest.raises(ValueError):
                incoming.decode(changed)
        else:
            assert incoming.decode(changed) == expected


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":1,"id":2,"result":{"t":"%s"}}',
        b'{"jsonrpc":"2.0","id":"1","result":{"t":"%s"}}',
        b'{"jsonrpc":"2.0","method":"m","params":{"t":"%s"}}',
        b'{"jsonrpc":"2.0","result":{"t":"%s","id":1}}',
        b'[{"jsonrpc":"2.0","id":1,"result":{"t":"%s"}}]',
        b'{"jsonrpc":"2.0","id":1,"result":{"t":"%s"},"id":3}',
    ],
)
def test_a_line_whose_id_cannot_be_seen_at_a_glance_is_parsed_each_time(line):
    incoming = Incoming()
    for _ in range(2):
        whole = line % (b"x" * repeats.LONG_BYTES)
        assert incoming.decode(whole) == wire.decode(whole)


def test_what_is_too_long_is_not_kept(monkeypatch):
    monkeypatch.setattr(repeats, "LONGEST_BYTES", 1000)
    incoming = Incoming()
    line = orjson.dumps(answer(7))
    assert incoming.decode(line)["result"] is not incoming.decode(line)["result"]


def test_a_list_that_goes_again_is_written_as_before():
    outgoing = Outgoing()
    for id in (1, "two", 3, 4):
        for more in ({}, {"nextCursor": "c", "_meta": {"k": [1, None]}}):
            message = answer(id, {"before": 1, "tools": TOOLS, **more})
            assert outgoing.encode(message) == wire.encode(message)


def test_another_list_is_written_anew():
    outgoing = Outgoing()
    for _ in range(3):
        for tools in (TOOLS, TOOLS[1:], list(TOOLS)):
            message = answer(1, {"tools": tools})
            assert outgoing.encode(message) == wire.encode(message)


@pytest.mark.parametrize("odd", [2**70, "\ud800"])
def test_what_only_the_slow_way_can_write_goes_the_slow_way(odd):
    outgoing = Outgoing()
    for message in (answer(1, {"tools": [odd] * 20}), answer(1, {"tools": TOOLS, "odd": odd})):
        for _ in range(3):
            assert outgoing.encode(message) == wire.encode(message)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=20), max_leaves=30))
def test_any_result_is_written_as_without_memory(value):
    outgoing = Outgoing()
    for _ in range(3):
        for message in (answer(1, {"x": value}), answer(1, {"x": [value] * 20}), {"jsonrpc": "2.0", "method": "m"}):
            assert outgoing.encode(message) == wire.encode(message)
