"""A subscription over connections that fail as a script says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
import asyncio

import pytest

from broker.client.backoff import STEADY_S, Backoff
from broker.client.errors import Blocked, Lost, Refused, Unauthorized, Unreadable
from broker.client.link import Ask
from broker.client.message import Event, Gap, Message, Moved
from broker.client.options import ClientOptions, Transport
from broker.client.subscription import BETTER_AFTER_S, OnGap, Subscription
from broker.client.tokens import Tokens, TokenSource
from broker.core.cursor import Cursor

pytestmark = pytest.mark.jumping

HEAD = Cursor(1000, 0)
"""Where a newcomer stands."""

Step = Sequence[Event] | Exception | float
"""What a link brings next: events, its end, or seconds of silence."""


def message(tag: int, channel: str = "c") -> Message:
    """Return a message at a place."""
    return Message(tag, channel, {"n": tag}, Cursor(1000, tag))


class ScriptedLink:
    """A link that brings what its script says; then it is silent."""

    def __init__(self, opening: Exception | None, steps: Sequence[Step]) -> None:
        self.opening = opening
        self.steps = list(steps)
        self.closed = asyncio.Event()

    async def open(self) -> None:
        if self.opening is not None:
            raise self.opening

    async def receive(self) -> Sequence[Event]:
        if not self.steps:
            await self.closed.wait()
            raise Lost("closed")
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, float):
            await asyncio.sleep(step)
            return ()
        return step

    async def close(self) -> None:
        self.closed.set()


class ScriptedDialer:
    """Gives out links in order, and remembers what was asked for and when."""

    def __init__(
        self, *links: ScriptedLink, places: Sequence[Cursor | Exception] = (HEAD,)
    ) -> None:
        self.links = list(links)
        self.made: list[ScriptedLink] = []
        self.places = list(places)
        self.asked: list[tuple[Transport, Ask]] = []
        self.times: list[float] = []

    async def place(self, ask: Ask) -> Cursor:
        place = self.places.pop(0)
        if isinstance(place, Exception):
            raise place
        return place

    def link(self, transport: Transport, ask: Ask) -> ScriptedLink:
        self.asked.append((transport, ask))
        self.times.append(asyncio.get_running_loop().time())
        self.made.append(self.links.pop(0))
        return self.made[-1]

    @property
    def cursors(self) -> list[Cursor | None]:
        """The cursors that were asked for."""
        return [ask.cursor for _, ask in self.asked]

    @property
    def waits(self) -> list[int]:
        """Whole seconds between the connections."""
        pairs = zip(self.times, self.times[1:], strict=False)
        return [int(later - earlier) for earlier, later in pairs]


def link(*steps: Step, opening: Exception | None = None) -> ScriptedLink:
    """Return a link that fails to open, or brings something."""
    return ScriptedLink(opening, steps)


def refusing(error: Exception) -> ScriptedLink:
    """Return a link that cannot be opened."""
    return link(opening=error)


def subscription(
    dialer: ScriptedDialer,
    *,
    cursor: Cursor | None = None,
    on_gap: OnGap | None = None,
    token: TokenSource = "token",
    transports: tuple[Transport, ...] = ("websocket", "eventsource", "longpoll"),
    choose: Callable[[float, float], float] = max,
) -> Subscription:
    """Return a subscription that waits as long as it may."""
    return Subscription(
        ("c", "d"),
        cursor=cursor,
        on_gap=on_gap,
        dialer=dialer,
        tokens=Tokens(token, 10),
        backoff=Backoff(ClientOptions(), choose),
        transports=transports,
    )


async def take(messages: Subscription, count: int) -> list[int]:
    """Return the ids of the next messages."""
    return [(await anext(messages)).id for _ in range(count)]


async def test_p2_a_newcomer_knows_its_place_before_it_connects() -> None:
    """A connection that ends before its first message is made anew at the same place."""
    dialer = ScriptedDialer(link(Lost("cut")), link([message(1)]))
    assert [1] == await take(subscription(dialer), 1)
    assert [HEAD, HEAD] == dialer.cursors


async def test_on_entry_the_place_is_known() -> None:
    """`async with` comes back only when nothing from then on can be missed."""
    dialer = ScriptedDialer(places=[Lost("refused"), Lost("refused"), HEAD])
    async with subscription(dialer) as messages:
        assert HEAD == messages.cursor


async def test_p2_a_cut_connection_is_made_anew_at_the_last_message() -> None:
    """The cursor is that of the last message that was handed out, wherever the cut came."""
    dialer = ScriptedDialer(
        link([message(1), message(2)], Lost("cut")),
        link([message(3)], [Moved(Cursor(1000, 7))], Lost("cut")),
        link([message(8)]),
    )
    messages = subscription(dialer)
    assert [1, 2, 3, 8] == await take(messages, 4)
    assert [HEAD, Cursor(1000, 2), Cursor(1000, 7)] == dialer.cursors
    assert Cursor(1000, 8) == messages.cursor


async def test_p2_a_message_that_comes_twice_is_handed_out_once() -> None:
    """Whatever a connection brings again is known by its cursor."""
    dialer = ScriptedDialer(
        link([message(1), message(2)], Lost("cut")),
        link([message(1), message(2)], [message(2), message(3)]),
    )
    assert [1, 2, 3] == await take(subscription(dialer), 3)


async def test_d24_pings_share_cursors_and_are_handed_out_all_the_same() -> None:
    """Each ping is news, though its cursor is that of the message before."""
    ping = message(2, "ping")
    dialer = ScriptedDialer(link([message(1)], [message(2)], [ping], [ping], [message(3)]))
    assert [1, 2, 2, 2, 3] == await take(subscription(dialer), 5)


async def test_p3_gaps_are_told_in_their_place() -> None:
    """A plain or async callback is told between the messages that the gap is between."""
    gap = Gap("c", Cursor(1000, 1), Cursor(1000, 5))
    told: list[object] = []

    async def tell_later(found: Gap) -> None:
        await asyncio.sleep(1)
        told.append(found)

    for tell in (told.append, tell_later):
        told.clear()
        dialer = ScriptedDialer(link([message(1), gap, message(5)]))
        messages = subscription(dialer, on_gap=tell)
        assert [1] == await take(messages, 1)
        assert [] == told
        assert [5] == await take(messages, 1)
        assert [gap] == told


async def test_p3_gaps_are_logged_where_nobody_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """No gap is silent."""
    gap = Gap("c", Cursor(1000, 1), Cursor(1000, 5))
    await take(subscription(ScriptedDialer(link([gap, message(5)]))), 1)
    assert "1000-1" in caplog.text


async def test_d49_retries_are_polite() -> None:
    """A quick one, then 20 to 30 seconds each; one that held begins anew."""
    down = Lost("connection refused")
    dialer = ScriptedDialer(
        link(STEADY_S, down),
        refusing(down),
        refusing(down),
        link(STEADY_S, down),
        link([message(1)]),
    )
    await take(subscription(dialer), 1)
    assert [int(STEADY_S) + 1, 30, 30, int(STEADY_S) + 1] == dialer.waits


async def test_what_the_broker_asks_to_wait_is_heeded() -> None:
    """A node that drains says when to come back."""
    dialer = ScriptedDialer(link(Lost("draining", 23.0)), link([message(1)]))
    await take(subscription(dialer), 1)
    assert [23] == dialer.waits


async def test_a_blocked_transport_is_left_for_the_next() -> None:
    """WebSocket, event stream, long poll, each at once; behind the last one, after a wait."""
    blocked = Blocked("answered with 400")
    dialer = ScriptedDialer(*(refusing(blocked) for _ in range(4)), link([message(1)]))
    await take(subscription(dialer), 1)
    names = ["websocket", "eventsource", "longpoll", "websocket", "eventsource"]
    assert names == [transport for transport, _ in dialer.asked]
    assert [0, 0, 1, 0] == dialer.waits


async def test_the_best_transport_is_tried_again_later() -> None:
    """A way that was blocked is tried once more, when a connection has to be made anyway."""
    blocked = Blocked("answered with 400")
    dialer = ScriptedDialer(
        refusing(blocked),
        link(Lost("cut")),
        link(BETTER_AFTER_S, Lost("cut")),
        link([message(1)]),
    )
    await take(subscription(dialer), 1)
    names = ["websocket", "eventsource", "eventsource", "websocket"]
    assert names == [transport for transport, _ in dialer.asked]


async def test_a_refusal_is_raised() -> None:
    """What would be refused again is not tried again."""
    for dialer in (
        ScriptedDialer(places=[Refused(403, "no channel is allowed")]),
        ScriptedDialer(refusing(Refused(400, "too many channels"))),
        ScriptedDialer(link(Refused(403, "no channel is allowed any more"))),
        ScriptedDialer(link(Unreadable("a message is longer than 4 bytes"))),
    ):
        with pytest.raises((Refused, Unreadable)):
            await anext(subscription(dialer))
        assert all(made.closed.is_set() for made in dialer.made)


async def test_an_expired_token_is_renewed_at_once() -> None:
    """The next connection carries another token and the same place, without a wait."""
    tokens = iter(["first", "second"])
    dialer = ScriptedDialer(
        link([message(1)], 60.0, Unauthorized(401, "expired")), link([message(2)])
    )
    assert [1, 2] == await take(subscription(dialer, token=partial(next, tokens)), 2)
    assert ["first", "second"] == [ask.token for _, ask in dialer.asked]
    assert [60] == dialer.waits


async def test_a_new_token_that_is_refused_as_well_is_given_up() -> None:
    """Neither at the handshake nor right behind it is a source asked for ever."""
    refused = Unauthorized(401, "wrong key")
    for links in (
        [refusing(refused), refusing(refused)],
        [link([Moved(HEAD)], refused), link([Moved(HEAD)], refused)],
    ):
        tokens = iter("abc")
        messages = subscription(ScriptedDialer(*links), token=partial(next, tokens))
        with pytest.raises(Unauthorized):
            await anext(messages)
        assert "c" == next(tokens)


async def test_close_ends_whoever_waits() -> None:
    """A subscription that is closed hands out nothing more, whatever it was waiting for."""
    for dialer in (
        ScriptedDialer(link()),
        ScriptedDialer(*(refusing(Lost("down")) for _ in range(9))),
        ScriptedDialer(places=[Lost("down")] * 9),
    ):
        messages = subscription(dialer)
        waiting = asyncio.create_task(anext(messages, None))
        await asyncio.sleep(5)
        await messages.close()
        assert await asyncio.wait_for(waiting, 1) is None
        assert [] == [message async for message in messages]
        assert all(made.closed.is_set() for made in dialer.made if made.opening is None)


async def test_close_while_a_token_is_had_asks_for_nothing_more() -> None:
    """Neither a place nor a connection, when the token comes after the end."""
    for cursor in (None, HEAD):
        coming = asyncio.Event()

        async def source(coming: asyncio.Event = coming) -> str:
            await coming.wait()
            return "token"

        dialer = ScriptedDialer(link([message(1)]))
        messages = subscription(dialer, cursor=cursor, token=source)
        waiting = asyncio.create_task(anext(messages, None))
        await asyncio.sleep(1)
        await messages.close()
        coming.set()
        assert await asyncio.wait_for(waiting, 1) is None
        assert ([], [HEAD]) == (dialer.asked, dialer.places)


async def test_a_cancelled_wait_loses_nothing() -> None:
    """A consumer that waits with a deadline goes on where it was."""
    dialer = ScriptedDialer(link([message(1)], 10.0, [message(2)]))
    messages = subscription(dialer)
    assert [1] == await take(messages, 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(messages), 1)
    assert [2] == await take(messages, 1)
