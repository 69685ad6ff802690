"""The flow: what left towards subscribers of one transport, and how many of them there are."""

from __future__ import annotations

from collections.abc import Callable

MOST = 1024
"""Transports times patterns that are told apart; rules hold fewer, unless they change all day."""

OTHER = "other"
"""Stands for every pattern beyond that."""


class Flow:
    """
    Numbers of one transport and one pattern, counted once for all members of a cohort.

    Attributes:
        messages: Messages written, each as often as there were readers.
        bytes: Bytes written.
        history: Of the messages, those that were written because a reader had missed them.
        gaps: Times that a reader was told that messages are missing.
        skipped: Messages left out for slow readers, because their channel is conflated.
        too_slow: Readers sent away because they were slow.
        begun: Subscriptions that began; of polls, each one.
        sessions: Sessions that are attached.
        lagging: Those of them that are not live.
        lags: Times that a live session fell behind.
    """

    __slots__ = (
        "begun",
        "bytes",
        "gaps",
        "history",
        "lagging",
        "lags",
        "messages",
        "sessions",
        "skipped",
        "too_slow",
    )

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.history = 0
        self.gaps = 0
        self.begun = 0
        self.sessions = 0
        self.lagging = 0
        self.lags = 0
        self.skipped = 0
        self.too_slow = 0

    def replay(self, messages: int, *, gap: bool) -> None:
        """Count messages that one reader had missed, and whether it was told that some are gone."""
        self.messages += messages
        self.history += messages
        self.gaps += gap


class Flows:
    """The flows of a node, by transport, and by the pattern of the first channel that is read."""

    def __init__(self) -> None:
        self._flows: dict[tuple[str, str], Flow] = {}

    def of(self, transport: str, pattern: str = "") -> Flow:
        """Return the flow of a transport and a pattern; of one that is shared, beyond `MOST`."""
        key = transport, pattern
        if key not in self._flows and len(self._flows) >= MOST:
            key = transport, OTHER
        return self._flows.setdefault(key, Flow())

    def read(self, number: Callable[[Flow], float]) -> dict[str, float]:
        """Return a number by transport."""
        return self._added(number, 0)

    def read_patterns(self, number: Callable[[Flow], float]) -> dict[str, float]:
        """Return a number by pattern."""
        return self._added(number, 1)

    def _added(self, number: Callable[[Flow], float], by: int) -> dict[str, float]:
        sums: dict[str, float] = {}
        for key, flow in self._flows.items():
            sums[key[by]] = sums.get(key[by], 0) + number(flow)
        return sums
