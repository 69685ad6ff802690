"""The client's limits and waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transport = Literal["websocket", "eventsource", "longpoll"]
"""Ways to subscribe, by the first segment of their path (D10)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """
    Limits and waits of a client; every wait has one.

    Attributes:
        transports: Ways to subscribe, the best first; the next is tried where one does not get
            through.
        connect_timeout_s: For a connection to be made and answered, and for a token to be had.
        heartbeat_s: Silence after which a WebSocket is asked for a sign of life; half as much
            again, and it counts as dead.
        silence_s: Silence after which an event stream counts as dead, and longest wait for the
            answer of a long poll; longer than the broker holds one (D11).
        quick_retry_s: Longest wait before the first retry after a connection that held.
        retry_s: Shortest and longest wait before every other retry (D49); what the broker asks
            for is heeded up to the longest.
        publish_timeout_s: For one try of a publish.
        publish_deadline_s: For all of them.
        max_message_bytes: Of one message; a longer one ends the connection.
        max_answer_bytes: Of the answer to one poll; a longer one ends the connection.
        chunk_messages: Messages in one request of a batch.
        chunk_bytes: Bytes in one request of a batch, a single longer message excepted.
    """

    transports: tuple[Transport, ...] = ("websocket", "eventsource", "longpoll")
    connect_timeout_s: float = 10.0
    heartbeat_s: float = 20.0
    silence_s: float = 90.0
    quick_retry_s: float = 1.0
    retry_s: tuple[float, float] = (20.0, 30.0)
    publish_timeout_s: float = 10.0
    publish_deadline_s: float = 60.0
    max_message_bytes: int = 4 * 2**20
    max_answer_bytes: int = 64 * 2**20
    chunk_messages: int = 1000
    chunk_bytes: int = 2**20

    def __post_init__(self) -> None:
        """
        Check what would only show later.

        Raises:
            ValueError: there is no transport, or the waits between retries are upside down.
        """
        if not self.transports:
            raise ValueError("transports: at least one is needed")
        shortest_s, longest_s = self.retry_s
        if not 0 <= shortest_s <= longest_s:
            raise ValueError("retry_s: the shortest wait comes first")
