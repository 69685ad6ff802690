"""Events: what happens to channels, told in a channel of its own."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, TimerHandle
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
import logging

import orjson

from broker.core.errors import BrokerError
from broker.core.message import Draft
from broker.core.ring import Retention
from broker.hub import PING_CHANNEL
from broker.metrics import Counter
from broker.store.base import Publication, Stored

CREATED = "channel_created"
DESTROYED = "channel_destroyed"
SUBSCRIBED = "client_subscribed"
UNSUBSCRIBED = "client_unsubscribed"

FLUSH_S = 0.05
"""Seconds for which events are gathered: one store call for all of them."""

MAX_WAITING = 10_000
"""Events that wait to be told; further ones are lost, and counted."""

BATCH = 500
"""Events of one publication."""

_log = logging.getLogger(__name__)

Submit = Callable[[str, Publication], "Future[Stored]"]
"""Queues messages of a tenant."""


class ChannelEvents:
    """
    Tells of channels that begin and end, and of subscribers that come and go.

    Each event is a JSON message of the event's type. What happens to the channel of events itself
    is not told, nor to `ping`, so nothing here follows from itself. Events are told at most once:
    what a node could not store is lost, counted and logged.

    Args:
        channel: The channel of events.
        submit: Stores messages.
        retention: Gives how much is kept of the channel; None where no rule is about it.
        loop: Times the gathering.
        stored: Counts events that were stored.
        lost: Counts those that were not.

    Source: push-stream reference, section 11.
    """

    def __init__(
        self,
        channel: str,
        submit: Submit,
        retention: Callable[[str], Retention | None],
        loop: AbstractEventLoop,
        *,
        stored: Counter,
        lost: Counter,
    ) -> None:
        self._channel = channel
        self._untold = frozenset({channel, PING_CHANNEL})
        self._submit = submit
        self._retention = retention
        self._loop = loop
        self._told = stored
        self._lost = lost
        self._waiting: deque[tuple[str, Draft]] = deque()
        self._timer: TimerHandle | None = None
        self._dropped = 0

    def subscribed(self, tenant: str, channels: Iterable[str]) -> None:
        """Tell that somebody listens to channels."""
        self._tell(tenant, SUBSCRIBED, channels)

    def unsubscribed(self, tenant: str, channels: Iterable[str]) -> None:
        """Tell that somebody listens no longer."""
        self._tell(tenant, UNSUBSCRIBED, channels)

    def destroyed(self, tenant: str, channels: Iterable[str]) -> None:
        """Tell that what channels held was deleted."""
        self._tell(tenant, DESTROYED, channels)

    def accepted(self, tenant: str, publication: Publication, answer: Future[Stored]) -> None:
        """Watch a publication that was queued: it may begin channels."""
        del publication
        answer.add_done_callback(partial(self._stored, tenant))

    def close(self) -> None:
        """Tell what waits, and nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._flush()

    def _stored(self, tenant: str, answer: Future[Stored]) -> None:
        if answer.cancelled() or answer.exception() is not None or answer.result().repeated:
            return
        begun = [stamp.channel for stamp in answer.result().stamps if stamp.id == 1]
        if begun:
            self._tell(tenant, CREATED, begun)

    def _tell(self, tenant: str, event: str, channels: Iterable[str]) -> None:
        for channel in channels:
            if channel in self._untold:
                continue
            if len(self._waiting) >= MAX_WAITING:
                self._dropped += 1
                continue
            body = orjson.dumps({"type": event, "channel": channel})
            self._waiting.append((tenant, Draft(self._channel, body, "", event)))
        if self._waiting and self._timer is None:
            self._timer = self._loop.call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._timer = None
        retention = self._retention(self._channel)
        if self._dropped:
            self._lose(self._dropped, "too many wait")
            self._dropped = 0
        by_tenant: dict[str, list[Draft]] = {}
        while self._waiting:
            tenant, draft = self._waiting.popleft()
            by_tenant.setdefault(tenant, []).append(draft)
        if retention is None:
            count = sum(map(len, by_tenant.values()))
            self._lose(count, "no rule is about their channel (events_channel)")
            return
        for tenant, drafts in by_tenant.items():
            for start in range(0, len(drafts), BATCH):
                self._store(tenant, drafts[start : start + BATCH], retention)

    def _store(self, tenant: str, drafts: Sequence[Draft], retention: Retention) -> None:
        try:
            answer = self._submit(tenant, Publication(drafts, [retention] * len(drafts)))
        except BrokerError as error:
            self._lose(len(drafts), error)
        else:
            answer.add_done_callback(partial(self._count, len(drafts)))

    def _count(self, events: int, answer: Future[Stored]) -> None:
        error = None if answer.cancelled() else answer.exception()
        if error is None:
            self._told.add(events)
        else:
            self._lose(events, error)

    def _lose(self, events: int, why: object) -> None:
        self._lost.add(events)
        _log.warning("%d events of channels were lost: %s", events, why)
