"""Spans and figures: what is told of calls, how they hang together, and that nothing is told unasked."""

import json
import logging
import subprocess
import sys

import anyio
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from proxy_harness import World, proxied, told

from paste_mcp.logs import JsonLines
from paste_mcp.proxy.telemetry import Telemetry, opened, wanted

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def watched():
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    return Telemetry(tracers, MeterProvider([reader])), spans, reader


def figures(reader):
    return {
        metric.name: {tuple(sorted(point.attributes.items())): point for point in metric.data.data_points}
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@pytest.mark.anyio
async def test_a_call_and_the_early_call_that_answered_it_are_spans_that_are_linked(watched, tmp_path):
    telemetry, spans, reader = watched
    seen = []

    async def search(ctx, arguments):
        seen.append(dict(ctx.meta or {}))
        return told({"urls": ["secret-1", "secret-2"]})

    world = World(slow_s=0.05, answers={"search": search})
    async with proxied({"w": world}, tmp_path, telemetry=telemetry) as running:
        await running.client.call_tool("search", {"query": "secret"}, meta={"traceparent": PARENT})
        with anyio.fail_after(20):
            while not [one for one in world.log if one.tool == "visit" and one.ended]:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        await anyio.sleep(0.05)
        await running.call("visit", url="secret-1")
    named = {}
    for span in spans.get_finished_spans():
        named.setdefault(span.name, []).append(span)
    (demand,) = named["tools/call search"]
    assert (format(demand.context.trace_id, "032x"), demand.kind) == (TRACE, SpanKind.SERVER)
    assert seen[0]["traceparent"] == f"00-{TRACE}-{demand.context.span_id:016x}-01"
    (visit,) = named["tools/call visit"]
    early = named["tools/call visit (speculative)"]
    assert all(span.links[0].context.span_id == demand.context.span_id for span in early)
    assert visit.attributes["paste_mcp.answered"] in ("hit", "late_hit")
    (used,) = [span for span in early if span.context.span_id == visit.links[0].context.span_id]
    assert used.attributes["paste_mcp.outcome"] in ("hit", "late hit")
    assert used.attributes["paste_mcp.pattern"] == "search-then-visit"
    assert used.context.trace_id != demand.context.trace_id
    assert "secret" not in "".join(span.to_json() for span in spans.get_finished_spans())
    counted = figures(reader)
    assert sum(point.value for point in counted["paste_mcp.demand"].values()) == 2
    assert sum(point.count for point in counted["mcp.server.operation.duration"].values()) == 2
    assert sum(point.value for point in counted["paste_mcp.speculation"].values()) == len(early)


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_nothing_is_told_unless_it_was_asked_for(environ, asked):
    assert wanted(environ) is asked
    if not asked:
        assert opened(environ) is None


def test_where_it_is_off_nothing_of_it_is_loaded():
    code = "import sys; import paste_mcp.app, paste_mcp.proxy.telemetry as t; t.opened({}); print('opentelemetry.sdk' in sys.modules)"  # noqa: E501
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_log_line_is_an_object():
    record = logging.LogRecord("paste_mcp", logging.WARNING, "f", 1, "a %s", ('"b"',), None)
    told_ = json.loads(JsonLines().format(record))
    assert (told_["level"], told_["logger"], told_["message"]) == ("warning", "paste_mcp", 'a "b"')
