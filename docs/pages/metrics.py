"""The page of all metrics, made of their declarations."""

from __future__ import annotations

from collections.abc import Iterator
import inspect

from broker.metrics import GROUPS, Kind, Metric
from broker.metrics.declare import declared

INTRODUCTION = """\
# Metrics

`GET /metrics` on the internal listener tells them in the text form that Prometheus reads, or as
OpenMetrics where that is asked for. With `api_keys` set it needs one of them, as
`Authorization: Bearer …`.

Whichever worker answers, the numbers are those of all workers of the same `broker serve`: added up,
or, with the label `worker`, each by itself. Those of the other workers are up to a second old. A
worker that takes the place of one that died goes on from its counts. Other nodes are asked at their
own addresses.

Labels have few values: no metric is told by channel, token, tenant or address. Beyond 256 values of
a label the rest is counted together as `other`. What a `limit` does when it is reached, and its
default, are on the page of [settings](settings.md); an `error` is on that of [errors](errors.md).

This page is made of the declarations in `broker/metrics/meters.py` by `make docs`.
"""


def page() -> str:
    """Return the page, as Markdown."""
    return "\n".join((INTRODUCTION, *(line for group in GROUPS for line in _section(group))))


def _section(group: type) -> Iterator[str]:
    yield f"## {(inspect.getdoc(group) or group.__name__).rstrip('.')}\n"
    for _, metric in declared(group):
        yield from _entry(metric)


def _entry(metric: Metric) -> Iterator[str]:
    labels = f" · {', '.join(f'`{label}`' for label in metric.shown_labels)}"
    yield f"### `{metric.name}`\n"
    yield f"{metric.kind.value}{labels if metric.shown_labels else ''}\n"
    yield f"{metric.help}\n"
    if metric.kind is Kind.HISTOGRAM:
        yield f"Buckets: {', '.join(f'{bound:g}' for bound in metric.bounds)}.\n"
