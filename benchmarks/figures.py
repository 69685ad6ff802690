"""From what the load generator measured to the figures of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from statistics import median
from typing import Any

Result = Mapping[str, Any]
"""The JSON object that one run of the load generator prints."""


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One number that a workload shows.

    Attributes:
        name: Its name in workloads, targets and files.
        title: Its name in the report.
        unit: Unit, as written after a number.
        read: Takes it from a result; not a number where there is nothing to take it from, as for
            the latency of a server that did not get on to the measured messages.
        more_is_better: Whether a larger one is better.
    """

    name: str
    title: str
    unit: str
    read: Callable[[Result], float]
    more_is_better: bool = False


def server_cpu_s(phase: Mapping[str, Any]) -> float:
    """
    Return the CPU time that a phase cost the server.

    The kernel sends in the server's name either on the server's own time or, when there is much
    to send, in a thread of its own; so that one is counted too.
    """
    return float(phase["cpu_s"]) + float(phase["kernel_s"])


def _per(count: float, amount: float) -> float:
    return amount / count if count else nan


def _cpu_us(phase: str, what: str) -> Callable[[Result], float]:
    def read(result: Result) -> float:
        return 1e6 * _per(result[phase][what], server_cpu_s(result[phase]))

    return read


def _rate(phase: str, what: str) -> Callable[[Result], float]:
    def read(result: Result) -> float:
        return _per(result[phase]["seconds"], result[phase][what])

    return read


def _latency(of: str, quantile: str) -> Callable[[Result], float]:
    def read(result: Result) -> float:
        latency = result[of]["latency"]
        return float(latency[quantile]) if latency["count"] else nan

    return read


def _polls(result: Result) -> float:
    idle = result["idle"]
    return float(idle["answered_200"] + idle["answered_304"])


def _polls_per_s(result: Result) -> float:
    return _per(result["idle"]["seconds"], _polls(result))


def _cpu_per_poll_us(result: Result) -> float:
    return 1e6 * _per(_polls(result), server_cpu_s(result["idle"]))


def _connects_per_s(result: Result) -> float:
    return _per(result["connect"]["seconds"], result["subscribers"]["ready"])


def _cpu_per_connect_us(result: Result) -> float:
    return 1e6 * _per(result["subscribers"]["ready"], server_cpu_s(result["connect"]))


def _kib_per_connection(result: Result) -> float:
    return float(result["memory"]["proportional_each"]) / 1024


def _idle_cpu(result: Result) -> float:
    idle = result["idle"]
    return 1e6 * _per(idle["seconds"] * result["subscribers"]["ready"], server_cpu_s(idle))


_ALL = (
    Figure("cpu_per_delivery_us", "CPU per delivery", "µs", _cpu_us("publish", "delivered")),
    Figure("deliveries_per_s", "deliveries", "/s", _rate("publish", "delivered"), True),
    Figure("latency_p50_ms", "latency, median", "ms", _latency("subscribers", "p50_ms")),
    Figure("latency_p99_ms", "latency, p99", "ms", _latency("subscribers", "p99_ms")),
    Figure("polls_per_s", "polls", "/s", _polls_per_s, True),
    Figure("cpu_per_poll_us", "CPU per poll", "µs", _cpu_per_poll_us),
    Figure("replayed_per_s", "messages replayed", "/s", _rate("storm", "delivered"), True),
    Figure("cpu_per_replayed_us", "CPU per message", "µs", _cpu_us("storm", "delivered")),
    Figure("storm_p99_ms", "request to message, p99", "ms", _latency("stormers", "p99_ms")),
    Figure("publishes_per_s", "messages accepted", "/s", _rate("publish", "accepted"), True),
    Figure("cpu_per_publish_us", "CPU per message", "µs", _cpu_us("publish", "accepted")),
    Figure("publish_p50_ms", "answer, median", "ms", _latency("published", "p50_ms")),
    Figure("publish_p99_ms", "answer, p99", "ms", _latency("published", "p99_ms")),
    Figure("kib_per_connection", "memory per connection", "KiB", _kib_per_connection),
    Figure("idle_cpu_us_per_connection_s", "CPU per connection and second", "µs", _idle_cpu),
    Figure("connects_per_s", "handshakes", "/s", _connects_per_s, True),
    Figure("cpu_per_connect_us", "CPU per handshake", "µs", _cpu_per_connect_us),
)

FIGURES = {figure.name: figure for figure in _ALL}
"""Every figure by name."""

OTHERS_SHARE = 0.15
"""Share of one CPU that other programs may take before a run counts as disturbed."""

ERRORS = ("lost", "repeated", "late", "damaged", "foreign")
"""What no delivery may be."""


@dataclass(frozen=True, slots=True)
class Sample:
    """
    One figure of one workload and peer over all repetitions.

    Attributes:
        values: One per repetition, in the order in which they were measured.
    """

    values: tuple[float, ...]

    @property
    def middle(self) -> float:
        """The median of the values that are numbers."""
        numbers = [value for value in self.values if not isnan(value)]
        return median(numbers) if numbers else nan

    @property
    def spread(self) -> float:
        """Distance of the extremes as a share of the median; 0 for a single value."""
        numbers = [value for value in self.values if not isnan(value)]
        return (max(numbers) - min(numbers)) / self.middle if numbers and self.middle else 0.0


def sample(figure: str, results: Sequence[Result]) -> Sample:
    """
    Take one figure from every repetition.

    Raises:
        ValueError: There are no results.
    """
    if not results:
        message = f"no result to take {figure} from"
        raise ValueError(message)
    return Sample(tuple(FIGURES[figure].read(result) for result in results))


def ratio(figure: str, ours: Sequence[Result], theirs: Sequence[Result]) -> float | None:
    """Return our median over theirs; None when one is no number, or theirs is 0."""
    above, below = sample(figure, ours).middle, sample(figure, theirs).middle
    return None if isnan(above) or isnan(below) or not below else above / below


def faults(result: Result) -> list[str]:
    """Return what was wrong with a run, a sentence each; nothing for a sound one."""
    found = []
    for who in ("subscribers", "stormers"):
        seen = result[who]
        found += [f"{seen[error]:,} {error} ({who})" for error in ERRORS if seen[error]]
        if seen["ready"] != seen["count"] or seen["gone"]:
            lost = seen["count"] - seen["ready"] + seen["gone"]
            found.append(f"{lost:,} connections lost ({who}): {seen['error']}")
    published = result["published"]
    if published["refused"] or published["error"]:
        found.append(f"publishing: {published['error']}")
    if result["out_of_time"]:
        found.append("out of time")
    if not result["sound"] and not found:
        found.append("not sound")
    return found


def disturbance(result: Result) -> float:
    """Return the largest share of a CPU that other programs took in a measured phase."""
    phases = [result[name] for name in ("connect", "idle", "publish", "storm") if name in result]
    return max((p["others_s"] / max(p["seconds"], 0.5) for p in phases), default=0.0)


def checked(results: Sequence[Result]) -> int:
    """Return how many deliveries were looked at."""
    return sum(r["subscribers"]["delivered"] + r["stormers"]["delivered"] for r in results)
