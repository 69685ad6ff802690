"""Connections are as many as the settings say, or as the open files allow."""

from __future__ import annotations

from dataclasses import replace
import resource

import pytest

from broker.cli.descriptors import OWN_DESCRIPTORS, allow_connections
from broker.settings import Settings
from broker.transports.gate import MOST_TURNED_AWAY

SETTINGS = Settings(max_connections=10_000, max_internal_connections=100)
BESIDE = 100 + 2 * MOST_TURNED_AWAY + OWN_DESCRIPTORS
ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limits", "raised", "connections"),
    [
        ((20_000, 20_000), None, 10_000),
        ((ENDLESS, ENDLESS), None, 10_000),
        ((1024, ENDLESS), 10_000 + BESIDE, 10_000),
        ((1024, 20_000), 10_000 + BESIDE, 10_000),
        ((1024, 5000), 5000, 5000 - BESIDE),
        ((1024, 1024), 1024, 512),
    ],
)
def test_descriptors_bound_connections(
    limits: tuple[int, int],
    raised: int | None,
    connections: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The soft limit is raised as far as needed; what does not fit is taken off, and logged."""
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: told.append(pair))
    assert connections == allow_connections(SETTINGS)
    assert ([] if raised is None else [(raised, limits[1])]) == told
    assert (connections < 10_000) == bool(caplog.records)


@pytest.mark.parametrize(("workers", "share"), [(1, 10_000), (3, 3334), (4, 2500), (256, 40)])
def test_workers_share_the_connections(
    workers: int, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes an equal part, so that all together keep to the limit but for rounding up."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (ENDLESS, ENDLESS))
    assert share == allow_connections(replace(SETTINGS, workers=workers))
