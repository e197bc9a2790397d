"""Whatever stands in a log, reading it raises nothing but what is told to the user."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paste_mcp.store.history.claude import is_claude, read_claude
from paste_mcp.store.history.codex import is_codex, read_codex
from paste_mcp.store.history.recordings import is_recording, read_recording
from paste_mcp.store.history.skeleton import Digests
from paste_mcp.store.mining import Miner

WORDS = """
    type message content id name input tool_use tool_use_id tool_result text is_error user assistant isSidechain
    agentId timestamp sessionId mcpMeta structuredContent payload call_id function_call function_call_output arguments
    output namespace mcp_tool_call_end invocation server tool result Ok Err isError event_msg response_item item
    item_completed McpToolCall error session n turn status started ended derivations digest from call in steps document
    line url read_only definition a mcp__a__b x{}[] 2026-03-01T10:00:00Z {} {
""".split()
words = st.sampled_from(WORDS)
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | words
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=6),
    max_leaves=20,
)


def shaped(*keys):
    """Objects that have these members more often than not."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keys, values)) | st.dictionaries(words, values, max_size=6)


LINES = {
    "claude": st.fixed_dictionaries(
        {"type": st.sampled_from(["user", "assistant"])},
        optional={
            "message": st.fixed_dictionaries(
                {},
                optional={
                    "id": words,
                    "content": st.lists(
                        shaped("type", "id", "name", "input", "tool_use_id", "content", "is_error")
                        | st.just({"type": "tool_use", "id": "a", "name": "mcp__a__b", "input": {}})
                        | st.builds(lambda said: {"type": "tool_result", "tool_use_id": "a", "content": said}, values),
                        max_size=3,
                    ),
                },
            ),
            "timestamp": values,
            "mcpMeta": values,
            "isSidechain": st.booleans(),
        },
    ),
    "codex": st.fixed_dictionaries(
        {},
        optional={
            "type": words,
            "timestamp": values,
            "payload": st.just({"type": "function_call", "call_id": "a", "name": "mcp__a__b", "arguments": "{}"})
            | st.builds(lambda output: {"type": "function_call_output", "call_id": "a", "output": output}, values)
            | st.builds(
                lambda invocation, result: {
                    "type": "mcp_tool_call_end", "call_id": "a", "invocation": invocation, "result": result,
                },
                shaped("server", "tool", "arguments"),
                shaped("Ok", "Err"),
            )
            | shaped("type", "call_id", "id", "item", "output", "name", "arguments"),
        },
    ),
    "record": st.fixed_dictionaries(
        {"tool": words, "n": st.integers(0, 5)},
        optional=dict.fromkeys(
            ["server", "session", "turn", "status", "started", "ended", "read_only", "definition", "result"],
            values,
        )
        | {
            "arguments": st.dictionaries(words, values),
            "derivations": st.dictionaries(
                words | st.sampled_from(["a.b", "a[0]", "a[1].b", "*"]),
                st.fixed_dictionaries(
                    {"digest": words},
                    optional={
                        "from": st.lists(
                            st.fixed_dictionaries(
                                {"call": st.integers(0, 5), "in": words, "steps": st.lists(words | st.integers(0, 9))}
                            )
                        )
                        | values
                    },
                )
                | values,
                max_size=4,
            )
            | values,
        },
    ),
}  # fmt: skip
READERS = {"claude": read_claude, "codex": read_codex, "record": lambda lines: read_recording(lines, Digests())}


@pytest.mark.parametrize("kind", LINES)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_odd_lines_are_read_and_learnt_from_without_an_error(kind, data):
    lines = data.draw(st.lists(LINES[kind] | st.dictionaries(words, values, max_size=6), max_size=8))
    for line in lines:
        assert isinstance(is_claude(line) or is_codex(line) or is_recording(line), bool)
    miner = Miner(None, 20_600, history=True)
    for past in READERS[kind](lines):
        assert past.day is None or isinstance(past.day, int)
        miner.learn(past)
