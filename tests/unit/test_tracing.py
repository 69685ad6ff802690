"""Spans of a publish, from its acceptance to the sockets."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import pytest

from broker.tracing import NANOSECONDS, Publishing, Traces, make_traces, require, traces_of

NOW = 1000.0
EPOCH = 1_795_000_000.0

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SEEN = Publishing("main", "a.b", 3, "1795000000-4", PARENT, NOW - 1, NOW - 0.75)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Give what takes spans."""
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> Traces:
    """Give what makes them, at a moment that stands still."""
    return make_traces(SimpleSpanProcessor(exporter), "1.2", lambda: NOW, lambda: EPOCH)


def moments(span: ReadableSpan) -> tuple[float, float]:
    """Return when a span began and ended, in seconds before now, to a thousandth."""
    assert span.start_time is not None
    assert span.end_time is not None
    began, ended = (EPOCH - each / NANOSECONDS for each in (span.start_time, span.end_time))
    return round(began, 3), round(ended, 3)


def spans(exporter: InMemorySpanExporter) -> Mapping[str, ReadableSpan]:
    """Return every span by its name."""
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_publish_is_stamped_announced_and_written(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    """Each step is a span inside that of the publish, one after the other."""
    traces.tell(SEEN._replace(announced=NOW - 0.5, written=NOW - 0.25))
    told = spans(exporter)
    assert {"publish", "stamp", "announce", "write"} == told.keys()
    root = told["publish"]
    assert (1, 0.25) == moments(root)
    assert (1, 0.75) == moments(told["stamp"])
    assert (0.75, 0.5) == moments(told["announce"])
    assert (0.5, 0.25) == moments(told["write"])
    for name in ("stamp", "announce", "write"):
        above = told[name].parent
        assert above is not None
        assert root.context is not None
        assert root.context.span_id == above.span_id


def test_a_publish_belongs_to_the_trace_of_its_request(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    """`traceparent` names the trace, and what the span hangs on."""
    traces.tell(SEEN)
    root = spans(exporter)["publish"]
    assert root.parent is not None
    assert PARENT.split("-")[1] == f"{root.parent.trace_id:032x}"
    assert PARENT.split("-")[2] == f"{root.parent.span_id:016x}"


def test_nothing_that_was_published_is_told(traces: Traces, exporter: InMemorySpanExporter) -> None:
    """Channel, tenant, cursor and number of messages are; bodies are not even known."""
    traces.tell(SEEN)
    attributes = spans(exporter)["publish"].attributes
    told = {
        "messaging.system": "broker",
        "messaging.destination.name": "a.b",
        "messaging.batch.message_count": 3,
        "broker.tenant": "main",
        "broker.cursor": "1795000000-4",
    }
    assert told == dict(attributes or {})


def test_without_readers_there_is_no_write(traces: Traces, exporter: InMemorySpanExporter) -> None:
    """A message that nobody on this node reads is only stamped."""
    traces.tell(SEEN._replace(parent="nonsense"))
    told = spans(exporter)
    assert {"publish", "stamp"} == told.keys()
    assert told["publish"].parent is None


def test_tracing_is_off_unless_it_is_asked_for() -> None:
    """Without an endpoint nothing is made; with one, what it needs has to be there."""
    assert None is traces_of("", "1.2", lambda: NOW, lambda: EPOCH)
    require()
