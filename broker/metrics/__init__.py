"""Metrics: plain numbers that parts of the broker count, and how they are told."""

from __future__ import annotations

from broker.metrics.board import Board
from broker.metrics.declare import PREFIX, Kind, Metric
from broker.metrics.instruments import Counter, Counters, Histogram
from broker.metrics.machine import Machine
from broker.metrics.meters import GROUPS, METRICS, Meters
from broker.metrics.register import POST_S, Place, Register, Roll

__all__ = [
    "GROUPS",
    "METRICS",
    "POST_S",
    "PREFIX",
    "Board",
    "Counter",
    "Counters",
    "Histogram",
    "Kind",
    "Machine",
    "Meters",
    "Metric",
    "Place",
    "Register",
    "Roll",
]
