"""Snapshots: the numbers of one process at one moment, and those of several together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import orjson

from broker.metrics.declare import Kind
from broker.metrics.instruments import Instrument, Row
from broker.metrics.meters import METRICS

Snapshot = Mapping[str, Sequence[Row]]
"""Series by the name of their metric."""


def take(instruments: Mapping[str, Instrument]) -> Snapshot:
    """Return what every instrument says now."""
    return {name: tuple(instrument.rows()) for name, instrument in instruments.items()}


def encode(snapshot: Snapshot) -> bytes:
    """Return a snapshot as JSON, without metrics that have no series."""
    return orjson.dumps({name: rows for name, rows in snapshot.items() if rows}, default=tuple)


def decode(text: bytes) -> Snapshot:
    """Return the snapshot that `encode` wrote."""
    told: dict[str, list[tuple[list[str], list[float]]]] = orjson.loads(text)
    return {
        name: [Row(tuple(labels), values) for labels, values in rows]
        for name, rows in told.items()
        if name in METRICS
    }


def counted(snapshot: Snapshot) -> Snapshot:
    """Return what stays true of a process that has ended: its counts, not its gauges."""
    return {name: rows for name, rows in snapshot.items() if _outlasts(name)}


def joined(first: Snapshot, second: Snapshot) -> Snapshot:
    """Return the numbers of two snapshots of one worker, added up."""
    return {
        name: _added([*first.get(name, ()), *second.get(name, ())])
        for name in METRICS
        if name in first or name in second
    }


def together(workers: Mapping[str, Snapshot]) -> Snapshot:
    """
    Return the numbers of all workers: added up, or by worker where their metric says so.

    Args:
        workers: Snapshots by the label of their worker.
    """
    return {
        name: _by_worker(name, workers) if metric.by_worker else _summed(name, workers)
        for name, metric in METRICS.items()
    }


def _outlasts(name: str) -> bool:
    metric = METRICS[name]
    return metric.kind is not Kind.GAUGE and not metric.by_worker


def _by_worker(name: str, workers: Mapping[str, Snapshot]) -> Sequence[Row]:
    return [
        Row((*row.labels, worker), row.values)
        for worker, snapshot in workers.items()
        for row in snapshot.get(name, ())
    ]


def _summed(name: str, workers: Mapping[str, Snapshot]) -> Sequence[Row]:
    return _added([row for snapshot in workers.values() for row in snapshot.get(name, ())])


def _added(rows: Iterable[Row]) -> Sequence[Row]:
    sums: dict[tuple[str, ...], Row] = {}
    for row in rows:
        known = sums.get(row.labels)
        sums[row.labels] = row if known is None else Row(row.labels, _plus(known, row))
    return list(sums.values())


def _plus(first: Row, second: Row) -> Sequence[float]:
    return [a + b for a, b in zip(first.values, second.values, strict=True)]
