"""What all subscribers of one process share."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from random import Random
from traceback import format_exception
from typing import Any, NamedTuple
from urllib.parse import quote
import asyncio
import math

from broker.core.cursor import Cursor

HANDSHAKE_S = 8.0
"""Longest wait for the head of an answer: longer than a node waits for its store."""

SILENCE_S = 40.0
"""Longest silence of a connection: longer than every fault, and than a long poll is held."""

BACKOFF_S = (0.1, 2.0)
"""Pause after the first failure in a row, and the longest one."""

LONGPOLL_PAUSE_S = 0.15
"""Pause behind an answer with messages."""

SHORTPOLL_PAUSE_S = 0.5


class Node(NamedTuple):
    """A node's public listener."""

    host: str
    port: int


class Mark(NamedTuple):
    """
    The moment at which a fault was lifted.

    Attributes:
        at: When, on the machine's monotonic clock.
        healed: For each subscriber that got something sent since then, how many seconds later.
    """

    at: float
    healed: array[float]


class Scene:
    """
    What all subscribers of one process share.

    Args:
        nodes: Where they connect.
        token: What they may read with.
        random: Decides where they go and how long they wait.

    Attributes:
        tally: How often what happened.
        latencies_s: Of deliveries; of those read at once only the last counts.
        arrivals: When who began to be served, by transport, on the monotonic clock.
        marks: Faults that were lifted.
        faults: What went wrong in the suite itself.
        closing: Whether nobody connects any more.
    """

    def __init__(self, nodes: Sequence[Node], token: str, random: Random) -> None:
        self.loop = asyncio.get_running_loop()
        self.nodes = tuple(nodes)
        self.token = token
        self.random = random
        self.tally: Counter[str] = Counter()
        self.latencies_s = array("d")
        self.arrivals: list[tuple[str, float]] = []
        self.marks: list[Mark] = []
        self.faults: list[str] = []
        self.closing = False
        self.loop.set_exception_handler(self._fault)
        self._tasks: set[asyncio.Task[None]] = set()

    def mark(self, at: float) -> None:
        """Have every subscriber tell when it first gets something sent since then."""
        self.marks.append(Mark(at, array("d")))

    def task(self, work: asyncio.Task[None]) -> None:
        """Keep a task until it is done."""
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    def _fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        text = "".join(format_exception(error)) if error else str(context["message"])
        self.faults.append(text)

    def other_node(self, than: int) -> int:
        """Return the number of another node, where there is one."""
        others = [number for number in range(len(self.nodes)) if number != than]
        return self.random.choice(others) if others else than

    def pause_s(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        first, longest = BACKOFF_S
        return min(longest, first * 2.0 ** max(0, failures - 1)) * self.random.uniform(0.5, 1.0)

    def target(self, mode: str, names: str, cursor: Cursor | None, notices: str) -> str:
        """Return the target of a request, with the cursor where there is one (D45)."""
        place = ""
        if cursor is not None:
            place = f"tag={cursor.tag}&time={quote(cursor.http_date)}&"
        return f"/{mode}/{names}?{notices}{place}auth_token={self.token}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that a share of all values does not pass; NaN for none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]
