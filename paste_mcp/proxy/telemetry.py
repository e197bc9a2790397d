"""Spans and figures of calls, in OpenTelemetry's words (semantic conventions for MCP and generative AI).

A call of the agent is a span `tools/call TOOL`, a child of what the host's `_meta.traceparent` names; its own context
goes on to the server. An early call is a span in a trace of its own, linked to the call after which it was made; the
call that it answers is linked to it. Values and arguments are never told.

Nothing of OpenTelemetry is imported here unless the user configured it; see `opened`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from paste_mcp.core.commands import Demand, Hit, Join
from paste_mcp.core.model import Status, ToolCall
from paste_mcp.core.speculation.journal import Issued, Note, Settled
from paste_mcp.proxy import clock

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, SpanContext, TracerProvider

logger = logging.getLogger("paste_mcp")

MAX_KEPT: Final = 256
"""Early calls of a session whose span is still remembered, for the call that they answer."""
_CARRIED: Final = ("traceparent", "tracestate")


class Telemetry:
    """What all sessions of a proxy tell with."""

    def __init__(self, tracers: TracerProvider, meters: MeterProvider) -> None:
        self.tracer = tracers.get_tracer("paste_mcp")
        meter = meters.get_meter("paste_mcp")
        self.duration = meter.create_histogram("mcp.server.operation.duration", "s", "Calls of the agent")
        self.demands = meter.create_counter(
            "paste_mcp.demand", "{call}", "Calls of the agent, by how they were answered"
        )
        self.guesses = meter.create_counter("paste_mcp.speculation", "{call}", "Early calls, by what became of them")
        self.hidden = meter.create_counter("paste_mcp.speculation.hidden", "s", "Waiting that the agent was spared")
        self.wasted = meter.create_counter("paste_mcp.speculation.wasted", "s", "Work of servers for nothing")

    def session(self, id: str) -> SessionTelemetry:
        return SessionTelemetry(self, id)


class DemandSpan:
    """The span of one call of the agent. `carrier` is what its server is told of it in `_meta`."""

    def __init__(self, of: SessionTelemetry, span: Span, carrier: dict[str, str]) -> None:
        self._of = of
        self._span = span
        self.carrier = carrier
        self.answered = "miss"
        self.failed = False

    def end(self, demand: Demand, answered: str, status: Status) -> None:
        """The call has its answer."""
        self.answered = answered
        self.failed = status == "error"
        self._span.set_attribute("paste_mcp.answered", answered)
        if self.failed:
            self._span.set_attribute("error.type", "tool_error")
        if answered in ("hit", "late_hit") and isinstance(demand.answer, Hit | Join):
            context = self._of.context_of(demand.answer.id)
            if context is not None:
                self._span.add_link(context)


class SessionTelemetry:
    """What one session tells."""

    def __init__(self, telemetry: Telemetry, id: str) -> None:
        self._telemetry = telemetry
        self._id = id
        self._latest: SpanContext | None = None
        self._open: dict[int, tuple[Span, dict[str, Any]]] = {}
        self._contexts: dict[int, SpanContext] = {}

    def context_of(self, guess: int) -> SpanContext | None:
        """The span of an early call."""
        return self._contexts.get(guess)

    @contextmanager
    def demand(self, call: ToolCall, meta: Mapping[str, Any]) -> Iterator[DemandSpan]:
        """The call is under way inside; what is raised there is told as its error."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        propagator = TraceContextTextMapPropagator()
        parent = propagator.extract({name: meta[name] for name in _CARRIED if isinstance(meta.get(name), str)})
        attributes = self._attributes(call)
        began = clock.now()
        with self._telemetry.tracer.start_as_current_span(
            f"tools/call {call.tool}", parent, SpanKind.SERVER, attributes, record_exception=False
        ) as span:
            carrier: dict[str, str] = {}
            propagator.inject(carrier)
            self._latest = span.get_span_context()
            told = DemandSpan(self, span, carrier)
            error: str | None = None
            try:
                yield told
                error = "tool_error" if told.failed else None
            except BaseException as raised:
                error = type(raised).__name__
                span.set_attribute("error.type", error)
                raise
            finally:
                figures = {
                    "mcp.method.name": "tools/call",
                    "gen_ai.tool.name": call.tool,
                    "paste_mcp.server": call.server,
                }
                more = {"error.type": error} if error else {}
                self._telemetry.duration.record(clock.now() - began, {**figures, **more})
                self._telemetry.demands.add(1, {**figures, "paste_mcp.answered": told.answered})

    def heard(self, note: Note, now: float) -> None:
        """The engine's journal."""
        if isinstance(note, Issued) and not note.shadow:
            self._issued(note, now)
        elif isinstance(note, Settled) and not note.shadow:
            self._settled(note, now)

    def _issued(self, note: Issued, now: float) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import Link, SpanKind

        call = note.prediction.call
        attributes = {
            **self._attributes(call),
            "paste_mcp.pattern": note.prediction.pattern,
            "paste_mcp.probability": note.prediction.probability,
        }
        span = self._telemetry.tracer.start_span(
            f"tools/call {call.tool} (speculative)",
            Context(),
            SpanKind.CLIENT,
            attributes,
            [] if self._latest is None else [Link(self._latest)],
            start_time=_wall_ns(now),
        )
        self._contexts[note.id] = span.get_span_context()
        while len(self._contexts) > MAX_KEPT:
            del self._contexts[next(iter(self._contexts))]
        self._open[note.id] = span, {"gen_ai.tool.name": call.tool, "paste_mcp.server": call.server}

    def _settled(self, note: Settled, now: float) -> None:
        found = self._open.pop(note.id, None)
        if found is None:
            return
        span, figures = found
        span.set_attributes({"paste_mcp.outcome": note.state, "paste_mcp.hidden_s": note.hidden_s})
        span.end(_wall_ns(now if note.ended is None else note.ended))
        self._telemetry.guesses.add(1, {**figures, "paste_mcp.outcome": note.state})
        self._telemetry.hidden.add(note.hidden_s, figures)
        self._telemetry.wasted.add(note.wasted_s, figures)

    def _attributes(self, call: ToolCall) -> dict[str, Any]:
        return {
            "mcp.method.name": "tools/call",
            "mcp.session.id": self._id,
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.tool,
            "paste_mcp.server": call.server,
        }


def _wall_ns(at: float) -> int:
    return int((clock.wall() - (clock.now() - at)) * 1e9)


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether the user configured it: an OTLP endpoint, or an exporter by name (OpenTelemetry's own variables)."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if any(environ.get(f"OTEL_EXPORTER_OTLP_{of}ENDPOINT") for of in ("", "TRACES_", "METRICS_")):
        return True
    return any(environ.get(f"OTEL_{of}_EXPORTER", "none") != "none" for of in ("TRACES", "METRICS"))


def opened(environ: Mapping[str, str]) -> Telemetry | None:
    """Telemetry as the environment configures it; None where it does not, or where the `otel` extra is missing."""
    if not wanted(environ):
        return None
    try:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({"service.name": environ.get("OTEL_SERVICE_NAME") or "paste-mcp"})
        tracers = TracerProvider(resource=resource)
        if environ.get("OTEL_TRACES_EXPORTER", "otlp") == "otlp":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        readers = [_reader(environ)] if environ.get("OTEL_METRICS_EXPORTER", "otlp") != "none" else []
        return Telemetry(tracers, MeterProvider(readers, resource))
    except (ImportError, OSError) as error:
        logger.warning("no telemetry (%s): install `paste-mcp[otel]`, or unset OTEL_*", error)
        return None


def _reader(environ: Mapping[str, str]) -> Any:
    if environ.get("OTEL_METRICS_EXPORTER") == "prometheus":
        from opentelemetry.exporter.prometheus import PrometheusMetricReader
        from prometheus_client import start_http_server

        port = int(environ.get("OTEL_EXPORTER_PROMETHEUS_PORT", "9464"))
        start_http_server(port, environ.get("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"))
        return PrometheusMetricReader()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    return PeriodicExportingMetricReader(OTLPMetricExporter())
