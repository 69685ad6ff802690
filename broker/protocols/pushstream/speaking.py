"""Speaking: text frames of a WebSocket that are published to its channels."""

from __future__ import annotations

from asyncio import Future
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from broker.core.bucket import Bucket
from broker.core.errors import BrokerError, TooMany
from broker.core.grants import Rulebook, decide
from broker.core.session import Session
from broker.hub import PING_CHANNEL
from broker.hub.feed import Feed
from broker.protocols.pushstream.refresh import TOKEN_MARK
from broker.store.base import Stored
from broker.transports.websocket import TextHook, WebSocketConnection, error_frame

MAX_SPEAKERS = 16_384
"""Sessions whose rate is remembered; beyond, who spoke longest ago begins anew."""


class Speech(Protocol):
    """Takes what is said; `broker.api` has one."""

    def submit(self, tenant: str, channels: Sequence[str], text: bytes) -> Future[Stored]:
        """
        Queue a text for channels.

        Raises:
            BrokerError: what is wrong with it.
        """


class Speaking:
    """
    Publishes what clients say, where a rule or a grant lets them.

    A text frame goes to those channels of its connection that `publish` rules, or the token's own
    grants, allow; where there is none, it is dropped. It is not answered, as in the module; what
    is refused is told in an error frame, which carries the session's own cursor. What may hold a
    token is never published.

    Args:
        speech: Stores what is said.
        rulebook: Gives the present channel rules.
        rate: Messages a second that one connection may publish; 0 for any number.
        clock: Loop time in seconds.
        tokens: Takes frames that may hold a token.

    Source: push-stream reference, sections 3.3 and 8.5.
    """

    def __init__(
        self,
        speech: Speech,
        rulebook: Callable[[], Rulebook],
        rate: float,
        clock: Callable[[], float],
        tokens: TextHook,
    ) -> None:
        self._speech = speech
        self._rulebook = rulebook
        self._rate = rate
        self._clock = clock
        self._tokens = tokens
        self._buckets: OrderedDict[Session, Bucket] = OrderedDict()

    def hear(self, connection: WebSocketConnection, text: bytes) -> None:
        """Take a text message of a client (a `TextHook`); 1008 for one that says too much."""
        if TOKEN_MARK in text:
            self._tokens(connection, text)
            return
        session = connection.session
        if not text or not isinstance(session, Session) or not isinstance(session.feed, Feed):
            return
        feed = session.feed
        channels = self._allowed(session, feed.names)
        if not channels:
            return
        if self._is_too_fast(session, len(channels)):
            session.end(
                TooMany(
                    f"a connection may publish {self._rate:g} messages a second",
                    setting="max_client_publish_rate",
                )
            )
            return
        try:
            answer = self._speech.submit(feed.tenant, channels, text)
        except BrokerError as error:
            connection.reply(error_frame(error, session.cursor))
        else:
            answer.add_done_callback(partial(_tell, connection, session))

    def _allowed(self, session: Session, names: Sequence[str]) -> list[str]:
        rulebook = self._rulebook()
        return [
            name
            for name in names
            if name != PING_CHANNEL and decide(rulebook, session.grants, "publish", name).allowed
        ]

    def _is_too_fast(self, session: Session, messages: int) -> bool:
        if not self._rate:
            return False
        now = self._clock()
        bucket = self._buckets.pop(session, None) or Bucket(self._rate, now)
        self._buckets[session] = bucket
        if len(self._buckets) > MAX_SPEAKERS:
            self._buckets.popitem(last=False)
        if bucket.wait_s(now):
            return True
        bucket.take(messages, now)
        return False


def _tell(connection: WebSocketConnection, session: Session, answer: Future[Stored]) -> None:
    """Tell a speaker that what it said was not stored."""
    error = None if answer.cancelled() else answer.exception()
    if isinstance(error, BrokerError) and session.feed is not None:
        connection.reply(error_frame(error, session.cursor))
