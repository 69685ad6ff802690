"""The flow: what left towards the subscribers of one transport, and how many of them there are."""

from __future__ import annotations

from collections.abc import Callable


class Flow:
    """
    Numbers of one transport, counted once for all members of a cohort.

    Attributes:
        messages: Messages written, each as often as there were readers.
        bytes: Bytes written.
        history: Of the messages, those that were written because a reader had missed them.
        gaps: Times that a reader was told that messages are missing.
        begun: Subscriptions that began; of polls, each one.
        sessions: Sessions that are attached.
        lagging: Those of them that are not live.
        lags: Times that a live session fell behind.
    """

    __slots__ = ("begun", "bytes", "gaps", "history", "lagging", "lags", "messages", "sessions")

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.history = 0
        self.gaps = 0
        self.begun = 0
        self.sessions = 0
        self.lagging = 0
        self.lags = 0

    def replay(self, messages: int, *, gap: bool) -> None:
        """Count messages that one reader had missed, and whether it was told that some are gone."""
        self.messages += messages
        self.history += messages
        self.gaps += gap


class Flows:
    """The flows of a node, by transport."""

    def __init__(self) -> None:
        self._flows: dict[str, Flow] = {}

    def of(self, transport: str) -> Flow:
        """Return the flow of a transport."""
        return self._flows.setdefault(transport, Flow())

    def read(self, number: Callable[[Flow], float]) -> dict[str, float]:
        """Return a number of every flow, by transport."""
        return {transport: number(flow) for transport, flow in self._flows.items()}
