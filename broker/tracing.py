"""Tracing: spans of some publishes, by OpenTelemetry; nothing of it is there unless it is asked."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer

EXTRA = "tracing"
"""The extra of the package that brings what tracing needs."""

EXPORT_S = 5.0
"""Time that the other side gets to take spans."""

NANOSECONDS = 1_000_000_000

parent: ContextVar[str] = ContextVar("parent", default="")
"""The `traceparent` header of the request that is being answered (W3C Trace Context)."""


class Publishing(NamedTuple):
    """
    What was seen of one publish on its way; moments in seconds of a clock that never goes back.

    Attributes:
        tenant: Whose.
        channel: Channel of its last message.
        messages: How many it was.
        cursor: Cursor of the last one.
        parent: `traceparent` of its request, or empty.
        accepted: When it was taken.
        stamped: When the store had answered.
        announced: When its announcement came to the hub of this process; None without readers.
        written: When every live subscriber of this process had been written it; None, too.
    """

    tenant: str
    channel: str
    messages: int
    cursor: str
    parent: str
    accepted: float
    stamped: float
    announced: float | None = None
    written: float | None = None


Told = Callable[[Publishing], None]
"""Takes what was seen of a publish."""


class CannotTrace(Exception):
    """Tracing was asked for, and what it needs is not installed."""


class Traces:
    """
    Makes spans of what was seen: `publish`, and in it `stamp`, `announce` and `write`.

    The spans are made afterwards, with the moments that were noted, so that nothing on the way has
    to carry them.

    Args:
        tracer: Starts spans.
        clock: The clock of the moments.
        wall_clock: Seconds since the epoch.
        close: Ends the tracer.
    """

    def __init__(
        self,
        tracer: Tracer,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        close: Callable[[], None],
    ) -> None:
        self._tracer = tracer
        self._close = close
        self._clock = clock
        self._wall_clock = wall_clock

    def close(self) -> None:
        """Send what is left; takes up to the exporter's own time."""
        self._close()

    def tell(self, seen: Publishing) -> None:
        """Make the spans of a publish."""
        from opentelemetry import trace  # noqa: PLC0415 - an extra
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        above = TraceContextTextMapPropagator().extract({"traceparent": seen.parent})
        root = self._tracer.start_span(
            "publish",
            context=above,
            start_time=self._nanoseconds(seen.accepted),
            kind=trace.SpanKind.SERVER,
            attributes={
                "messaging.system": "broker",
                "messaging.destination.name": seen.channel,
                "messaging.batch.message_count": seen.messages,
                "broker.tenant": seen.tenant,
                "broker.cursor": seen.cursor,
            },
        )
        context = trace.set_span_in_context(root)

        def span(name: str, began: float, ended: float) -> Span:
            made = self._tracer.start_span(name, context, start_time=self._nanoseconds(began))
            made.end(self._nanoseconds(max(began, ended)))
            return made

        span("stamp", seen.accepted, seen.stamped)
        if seen.announced is not None and seen.written is not None:
            # The announcement may be here before the answer to the publish.
            span("announce", min(seen.stamped, seen.announced), seen.announced)
            span("write", seen.announced, seen.written)
        root.end(self._nanoseconds(max(seen.stamped, seen.written or 0.0)))

    def _nanoseconds(self, moment: float) -> int:
        ago = self._clock() - moment
        return int((self._wall_clock() - ago) * NANOSECONDS)


def make_traces(
    processor: SpanProcessor,
    version: str,
    clock: Callable[[], float],
    wall_clock: Callable[[], float],
) -> Traces:
    """
    Return what makes spans, and hands them to a processor.

    Args:
        processor: Takes spans that have ended.
        version: Version of the broker.
        clock: The clock of the moments.
        wall_clock: Seconds since the epoch.
    """
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    resource = Resource.create({"service.name": "broker", "service.version": version})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return Traces(provider.get_tracer("broker", version), clock, wall_clock, provider.shutdown)


def traces_of(
    endpoint: str, version: str, clock: Callable[[], float], wall_clock: Callable[[], float]
) -> Traces | None:
    """
    Return what makes spans and sends them; None where nobody asked for it.

    Args:
        endpoint: Where to, as `otlp_processor` has it; empty for nowhere.
        version: Version of the broker.
        clock: The clock of the moments.
        wall_clock: Seconds since the epoch.
    """
    return make_traces(otlp_processor(endpoint), version, clock, wall_clock) if endpoint else None


def require() -> None:
    """
    Look whether tracing can be had.

    Raises:
        CannotTrace: The extra is not installed.
    """
    if any(find_spec(name) is None for name in ("opentelemetry", "opentelemetry.exporter")):
        raise CannotTrace(f"trace_endpoint needs the extra: pip install broker[{EXTRA}]")


def otlp_processor(endpoint: str) -> SpanProcessor:
    """
    Return what sends spans by OTLP over HTTP, on a thread of its own, and drops what is too much.

    Args:
        endpoint: Where to, as `http://127.0.0.1:4318/v1/traces`.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_S))
