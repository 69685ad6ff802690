"""The outcome of a scenario: figures, and what is wrong."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any
import statistics

from tests.chaos.matrix import Scenario
from tests.chaos.scene import percentile
from tests.chaos.verdict import Verdict

PEAK_S = 4.0
"""Time over which a rate of reconnects is taken."""

MOST_OF_PACE = 1.2
"""Rate at which streams may come back after a drain, as a multiple of the paced one."""

STREAMS = ("websocket", "eventsource", "stream")

MUST_BE_NONE = (
    "lost",
    "repeated",
    "reordered",
    "unsignalled",
    "told",
    "needless",
    "late",
    "strange",
)


@dataclass(frozen=True)
class Outcome:
    """
    What a scenario showed.

    Attributes:
        name: Name of the scenario.
        title: Title of the scenario.
        subscribers: How many there were.
        seconds: How long it took, start and end of processes included.
        published: Messages that were accepted.
        rate: Median of messages accepted in a second.
        verdict: Faults of delivery.
        longest_stall_s: Longest time without a delivery to some subscriber.
        heal_s: Time from the end of a fault until a subscriber got what was sent since: median,
            99th percentile, longest.
        latency_s: Of all deliveries, whatever struck: median, 99th percentile.
        late_max_s: Longest delay of a message whose announcement was dropped.
        streams_lost: WebSockets, event streams and streams that a node ended or refused.
        tally: How often subscribers and publishers met what.
        drain_peak: Rate at which streams came back at worst after a drain, by its pace.
        details: What was measured besides.
        wrong: What must not be; empty if all is well.
        examples: Some subscribers that did not get what they should.
    """

    name: str
    title: str
    subscribers: int
    seconds: float
    published: int
    rate: float
    verdict: Verdict
    longest_stall_s: float
    heal_s: tuple[float, float, float]
    latency_s: tuple[float, float]
    late_max_s: float
    streams_lost: int
    tally: Mapping[str, int]
    drain_peak: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    wrong: Sequence[str] = ()
    examples: Sequence[Any] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it for the report in JSON."""
        return asdict(self)


def conclude(
    scenario: Scenario,
    press: Mapping[str, Any],
    crowd: Mapping[str, Any],
    *,
    seconds: float,
    complaints: Sequence[str],
    dropped: int,
    drain_peak: float | None,
) -> Outcome:
    """Make the outcome of what the two processes reported."""
    verdict = Verdict(**crowd["verdict"])
    healed = [seconds for mark in crowd["heal_s"] for seconds in mark]
    tally = Counter(crowd["tally"])
    streams_lost = sum(tally[key] for key in tally if key.startswith(STREAMS))
    wrong = [
        f"{name}: {getattr(verdict, name)}"
        for name in MUST_BE_NONE
        if getattr(verdict, name) and name not in scenario.allowed
    ]
    if crowd["unhealed"]:
        wrong.append(f"not healed in time: {crowd['unhealed']}")
    if streams_lost and scenario.keeps_streams:
        wrong.append(f"streams ended: {streams_lost}")
    if drain_peak is not None and drain_peak > MOST_OF_PACE:
        wrong.append(f"streams came back at {drain_peak:.2f} times the paced rate")
    if scenario.drops and not dropped:
        wrong.append("the fault did not strike: no announcement was dropped")
    wrong += [f"a node logged: {line}" for line in complaints[:3]]
    wrong += [f"the suite itself failed: {text}" for text in crowd["faults"][:1]]
    return Outcome(
        name=scenario.name,
        title=scenario.title,
        subscribers=len(crowd["stalls_s"]),
        seconds=seconds,
        published=press["tally"]["accepted"],
        rate=_rate(press["accepted"]),
        verdict=verdict,
        longest_stall_s=max(crowd["stalls_s"]),
        heal_s=(percentile(healed, 0.5), percentile(healed, 0.99), max(healed, default=0.0)),
        latency_s=(crowd["latency_p50_s"], crowd["latency_p99_s"]),
        late_max_s=crowd["late_max_s"],
        streams_lost=streams_lost,
        tally={**tally, **{f"publish: {key}": count for key, count in press["tally"].items()}},
        drain_peak=drain_peak,
        details={
            "announcements dropped": dropped,
            "longest time without a publish accepted, s": longest_outage_s(press["accepted"]),
        },
        wrong=wrong,
        examples=crowd["examples"],
    )


def drain_peak(
    drains: Sequence[float], arrivals: Sequence[tuple[str, float]], drain_s: float
) -> float | None:
    """
    Return the rate at which streams came back in the worst `PEAK_S` of all drains.

    Polls do not count: a node that stops answers each with 503, when it comes.

    Args:
        drains: When each began.
        arrivals: Who began to be served when.
        drain_s: Time over which a node sends its sessions away.

    Returns:
        The rate as a multiple of the paced one, or None where nobody was sent away.
    """
    moments = sorted(at for mode, at in arrivals if mode in STREAMS)
    peaks = []
    for began in drains:
        during = [at for at in moments if began <= at < began + 2 * drain_s]
        most = max((bisect_left(during, at + PEAK_S) - number for number, at in enumerate(during)))
        peaks.append(most / PEAK_S / (len(during) / drain_s))
    return max(peaks, default=None)


def longest_outage_s(accepted: Sequence[tuple[float, int]]) -> float:
    """Return the longest time between two accepted batches."""
    return max((later[0] - sooner[0] for sooner, later in pairwise(accepted)), default=0.0)


def _rate(accepted: Sequence[tuple[float, int]]) -> float:
    """Return the median of messages accepted in a second, of those with any."""
    seconds = Counter[int]()
    for at, count in accepted:
        seconds[int(at)] += count
    whole = [count for _, count in sorted(seconds.items())][1:-1]
    return statistics.median(whole) if whole else 0.0
