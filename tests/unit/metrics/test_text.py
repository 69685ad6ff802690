"""The text of `/metrics` says what was counted; read back by the client library's own parsers."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_plain

from broker.metrics import METRICS, Meters, Register
from broker.metrics.text import write


def test_numbers_come_back_as_they_were() -> None:
    """Counters, gauges and histograms are read back, labels and all."""
    meters = Meters()
    meters.connecting.closes.of("websocket", "1000").add(3)
    meters.delivering.sessions.follow(lambda: {"poll": 2})
    for wait_s in (0.003, 0.2, 100.0):
        meters.storing.calls.of("publish").observe(wait_s)
    text, content_type = write(Register(meters.instruments()).total())
    assert content_type.startswith("text/plain")
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in read_plain(text.decode())
        for sample in family.samples
    }
    assert 3 == samples["broker_closes_total", ("code", "1000"), ("transport", "websocket")]
    assert 2 == samples["broker_sessions", ("transport", "poll")]
    name, call = "broker_store_call_seconds", ("call", "publish")
    assert 0 == samples[f"{name}_bucket", call, ("le", "0.0025")]
    assert 1 == samples[f"{name}_bucket", call, ("le", "0.005")]
    assert 2 == samples[f"{name}_bucket", call, ("le", "10.0")]
    assert 3 == samples[f"{name}_bucket", call, ("le", "+Inf")] == samples[f"{name}_count", call]
    assert 100.203 == samples[f"{name}_sum", call]


def test_open_metrics_is_written_where_it_is_wanted() -> None:
    """Who names OpenMetrics gets it, well formed, with every metric."""
    accepted = "application/openmetrics-text; version=1.0.0"
    text, content_type = write(Register(Meters().instruments()).total(), accepted)
    assert content_type.startswith("application/openmetrics-text")
    families = {family.name for family in read_open(text.decode())}  # type: ignore[no-untyped-call]
    assert {name.removesuffix("_total") for name in METRICS} == families


def test_every_metric_is_told_with_its_help() -> None:
    """Each has its help and type line, before anything has been counted."""
    text = write(Register(Meters().instruments()).total())[0].decode()
    for name, metric in METRICS.items():
        assert f"# HELP {name} {metric.help}\n" in text
        assert f"# TYPE {name} {metric.kind.value}\n" in text
