"""Results of the load generator, made up."""

from __future__ import annotations

from typing import Any


def reception(count: int = 0, delivered: int = 0, **other: Any) -> dict[str, Any]:
    """Return what `count` subscribers received, without a fault unless told."""
    latency = {"count": delivered, "p50_ms": 1.5, "p99_ms": 4.0}
    faults = dict.fromkeys(("gone", "lost", "repeated", "late", "damaged", "foreign"), 0)
    return {
        "count": count,
        "ready": count,
        "delivered": delivered,
        "latency": latency,
        "error": "",
        **faults,
        **other,
    }


def phase(seconds: float, cpu_s: float, delivered: int = 0, **other: Any) -> dict[str, Any]:
    """Return a measured phase."""
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "kernel_s": 0.0,
        "others_s": 0.0,
        "delivered": delivered,
        "accepted": 0,
        "answered_200": 0,
        "answered_304": 0,
        **other,
    }


def result(cpu_s: float = 1.0, delivered: int = 500_000, **other: Any) -> dict[str, Any]:
    """Return a sound run of five seconds with 1,000 subscribers."""
    return {
        "sound": True,
        "out_of_time": False,
        "subscribers": reception(1000, delivered),
        "stormers": reception(),
        "published": {
            "refused": 0,
            "error": "",
            "latency": {"count": 500, "p50_ms": 0.5, "p99_ms": 2.0},
        },
        "memory": {"proportional_each": 4096.0},
        "connect": phase(0.1, 0.02),
        "publish": phase(5.0, cpu_s, delivered, accepted=500),
        **other,
    }
