"""A subscription: messages in order, each once, over connections that come and go."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self
import asyncio
import contextlib
import inspect
import logging

from broker.client.backoff import STEADY_S, Backoff
from broker.client.errors import Blocked, ClientError, Lost, Unauthorized
from broker.client.link import Ask, Dialer, Link
from broker.client.message import PING_CHANNEL, Event, Farewell, Gap, Message, Moved
from broker.client.options import Transport
from broker.client.tokens import Tokens
from broker.core.cursor import Cursor

_log = logging.getLogger(__name__)

BETTER_AFTER_S = 600.0
"""Seconds after which a connection that has to be made anyway is made the best way once more."""

OnGap = Callable[[Gap], Awaitable[None] | None]
"""Is told of messages that are no longer kept; async or not."""


class Subscription:
    """
    An async iterator over the messages of some channels.

    A connection that ends is made anew at the cursor of the last message that was handed out, so
    that each message is handed out once and in order. Nothing is read ahead beyond one frame,
    event or answer: who takes messages slowly slows down its own connection alone.

    As an async context manager it knows its place on entry: what is published from then on
    arrives. Without, this holds from the first message that is waited for.

    Args:
        channels: The channels.
        cursor: Place after which messages are wanted; None for only those to come.
        on_gap: Is told of gaps; without one, they are logged.
        dialer: Makes connections.
        tokens: Gives tokens.
        backoff: Gives the waits between connections.
        transports: Ways to connect, the best first.

    Attributes:
        channels: The channels.
        cursor: Place after the last message that was handed out; None until it is known.
    """

    def __init__(
        self,
        channels: tuple[str, ...],
        *,
        cursor: Cursor | None,
        on_gap: OnGap | None,
        dialer: Dialer,
        tokens: Tokens,
        backoff: Backoff,
        transports: tuple[Transport, ...],
    ) -> None:
        self.channels = channels
        self.cursor = cursor
        self._on_gap = on_gap
        self._dialer = dialer
        self._tokens = tokens
        self._token = ""
        self._backoff = backoff
        self._transports = transports
        self._choice = 0
        self._chosen_at = 0.0
        self._link: Link | None = None
        self._opened_at = 0.0
        self._renewed = False
        self._ready: deque[Event] = deque()
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        while self.cursor is None and not self._closing.is_set():
            await self._guarded(self._find_place)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """
        Wait for the next message.

        Raises:
            Refused: the broker says no, and would again.
            Unreadable: a message is larger than the limit.
        """
        while not self._closing.is_set():
            while self._ready:
                message = await self._take(self._ready.popleft())
                if message is not None:
                    return message
            await self._guarded(self._receive)
        raise StopAsyncIteration

    async def close(self) -> None:
        """End the subscription; who waits for a message gets none."""
        self._closing.set()
        self._ready.clear()
        await self._drop()

    # --- what comes --------------------------------------------------------------------------

    async def _take(self, event: Event) -> Message | None:
        """Take what came; return the message to hand out, if it is one."""
        match event:
            case Message(channel=channel, cursor=cursor):
                again = self.cursor is not None and cursor <= self.cursor
                if again and channel != PING_CHANNEL:
                    return None
                self._move(cursor)
                return event
            case Moved(cursor=cursor):
                self._move(cursor)
            case Gap():
                await self._tell(event)
            case Farewell():
                pass  # its link raises what it means
        return None

    def _move(self, cursor: Cursor) -> None:
        if self.cursor is None or cursor > self.cursor:
            self.cursor = cursor

    async def _tell(self, gap: Gap) -> None:
        if self._on_gap is None:
            why = f"{gap.skipped} left out" if gap.skipped else "no longer kept"
            _log.warning("messages after %s are missing, up to %s: %s", gap.after, gap.first, why)
            return
        told = self._on_gap(gap)
        if inspect.isawaitable(told):
            await told

    # --- connections -------------------------------------------------------------------------

    async def _guarded(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step; where a connection fails, make ready for the next one."""
        try:
            try:
                await step()
            except Unauthorized as error:
                await self._renew(error)
        except Blocked as error:
            await self._drop()
            await self._choose_next(error)
        except Lost as error:
            await self._drop()
            await self._wait(error, error.retry_after_s)
        except ClientError:
            await self._drop()
            if not self._closing.is_set():
                raise

    async def _receive(self) -> None:
        if self._link is None:
            await self._connect()
        if self._link is not None:
            events = await self._link.receive()
            self._ready.extend(events)
            if self._renewed and not all(isinstance(event, Moved) for event in events):
                self._renewed = False

    async def _connect(self) -> None:
        if self.cursor is None:
            await self._find_place()
        ask = Ask(self.channels, await self._current_token(), self.cursor)
        if self._closing.is_set():
            return
        link = self._dialer.link(self._transport, ask)
        try:
            await link.open()
        except BaseException:
            await link.close()
            raise
        if self._closing.is_set():
            await link.close()
            return
        self._link = link
        self._opened_at = self._now()
        _log.info("connected by %s", self._transport)

    async def _find_place(self) -> None:
        ask = Ask(self.channels, await self._current_token())
        if not self._closing.is_set():
            self.cursor = await self._dialer.place(ask)

    async def _current_token(self) -> str:
        self._token = await self._tokens.current()
        return self._token

    async def _renew(self, error: Unauthorized) -> None:
        """Get another token; one that is refused at once is given up."""
        held_s = self._held_s()
        await self._drop()
        if self._renewed and held_s < STEADY_S:
            raise error
        await self._tokens.renew(self._token, error)
        self._renewed = True

    # --- between connections -----------------------------------------------------------------

    @property
    def _transport(self) -> Transport:
        return self._transports[self._choice % len(self._transports)]

    async def _choose_next(self, error: Blocked) -> None:
        """Go on with the next transport at once; behind the last one, wait and begin again."""
        blocked = self._transport
        self._choice += 1
        self._chosen_at = self._now()
        if self._choice % len(self._transports) == 0:
            await self._wait(error)
        else:
            _log.warning("%s does not get through: %s", blocked, error)

    async def _wait(self, error: ClientError, asked_s: float | None = None) -> None:
        if self._closing.is_set():
            return
        wait_s = self._backoff.next_s(asked_s)
        _log.warning("not connected: %s; next try in %.1f s", error, wait_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), wait_s)
        if self._now() - self._chosen_at > BETTER_AFTER_S:
            self._choice = 0

    async def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            self._backoff.held(self._now() - self._opened_at)
            await link.close()

    def _held_s(self) -> float:
        return 0.0 if self._link is None else self._now() - self._opened_at

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
