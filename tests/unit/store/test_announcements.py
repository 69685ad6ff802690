"""The wire of the announcement connection, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
import asyncio

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.cursor import START, Cursor
from broker.core.message import Message
from broker.core.revocations import Revocation
from broker.store.announcements import REVOKED, AnnouncementProtocol, Route
from broker.store.codec import Tick
from broker.store.wire import pack

HEAD = Struct("<QQQQQI?")
ROUTES = {
    b"a": Route("one", "a"),
    b"b": Route("one", "b"),
    b"c": Route("two", "c"),
    b"t": Route("one", ""),
    b"r": REVOKED,
}


class Ear:
    """Keeps what it hears, in order."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def announced(self, tenant: str, messages: Sequence[Message]) -> None:
        self.heard += [(tenant, message) for message in messages]

    def deleted(self, tenant: str, channel: str, cursor: Cursor) -> None:
        self.heard.append((tenant, channel, cursor))

    def ticked(self, tenant: str, tick: Tick) -> None:
        self.heard.append((tenant, tick))

    def revoked(self, revocation: Revocation) -> None:
        self.heard.append(revocation)

    def lost(self, connection: AnnouncementProtocol) -> None:
        self.heard.append("lost")


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.is_aborted = True


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Give a loop that only tells the time."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def connected(
    loop: asyncio.AbstractEventLoop, *, is_sharded: bool = False
) -> tuple[AnnouncementProtocol, Ear, Wire]:
    """Return a connection to an ear, and its wire."""
    ear, wire = Ear(), Wire()

    async def make() -> AnnouncementProtocol:
        return AnnouncementProtocol(ROUTES, ear, is_sharded=is_sharded)

    protocol = loop.run_until_complete(make())
    protocol.connection_made(wire)
    return protocol, ear, wire


def text(value: bytes) -> bytes:
    """Write a byte string as the server does."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


def whole(value: int) -> bytes:
    """Write a number as the server does."""
    return b":%d\r\n" % value


def array(values: list[bytes]) -> bytes:
    """Write a list as the server does."""
    return b"*%d\r\n" % len(values) + b"".join(values)


def pushed(kind: bytes, name: bytes, payload: bytes | int) -> bytes:
    """Return what the server sends of its own accord."""
    last = whole(payload) if isinstance(payload, int) else text(payload)
    return array([text(kind), text(name), last])


def announced(name: bytes, number: int) -> tuple[bytes, object]:
    """Return an announcement of one message, and what is heard of it."""
    payload = HEAD.pack(number, 1, number, 0, 0, 1, False) + b"%d" % number
    route = ROUTES[name]
    message = Message(number, route.channel, b"%d" % number, Cursor(1, number), START)
    return pushed(b"message", name, payload), (route.tenant, message)


def deleted(name: bytes, number: int) -> tuple[bytes, object]:
    """Return an announced deletion, and what is heard of it."""
    route = ROUTES[name]
    payload = HEAD.pack(number, 1, number, 1, number, 0, False)
    return pushed(b"message", name, payload), (route.tenant, route.channel, Cursor(1, number))


def ticked(number: int) -> tuple[bytes, object]:
    """Return an announced tick, and what is heard of it."""
    payload = b"%d 2 %d" % (number, number)
    return pushed(b"message", b"t", payload), ("one", Tick(number, Cursor(2, number)))


def revoked(number: int) -> tuple[bytes, object]:
    """Return an announced revocation, and what is heard of it."""
    payload = b'%d one ["","%d",null]' % (number, number)
    return pushed(b"message", b"r", payload), Revocation("one", number, sub=str(number))


events = st.lists(
    st.one_of(
        st.builds(announced, st.sampled_from([b"a", b"b", b"c"]), st.integers(1, 99)),
        st.builds(deleted, st.sampled_from([b"a", b"b", b"c"]), st.integers(1, 99)),
        st.builds(ticked, st.integers(1, 99)),
        st.builds(revoked, st.integers(1, 99)),
        st.just((pushed(b"message", b"r", b"not a revocation"), None)),
        st.just((pushed(b"subscribe", b"a", 1), "confirmed")),
        st.just((pushed(b"unsubscribe", b"a", 0), None)),
        st.just((pushed(b"message", b"unknown", b"?"), None)),
        st.just((pushed(b"message", b"a", b"not an announcement"), None)),
        st.just((b"+PONG\r\n", None)),
        st.just((b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", None)),
        st.just((b"+OK\r\n", None)),
    ),
    max_size=12,
)


@given(events=events, data=st.data())
def test_everything_is_heard_in_order_wherever_it_is_split(
    loop: asyncio.AbstractEventLoop, events: list[tuple[bytes, object]], data: st.DataObject
) -> None:
    """Any cuts between reads give the same news and confirmations in the same order."""
    protocol, ear, wire = connected(loop)
    protocol.subscribe([b"a"] * len(events), lambda _: ear.heard.append("confirmed"))
    protocol.unsubscribe([b"a"] * len(events))
    stream = b"".join(sent for sent, _ in events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        protocol.data_received(stream[start:end])
    assert [heard for _, heard in events if heard] == ear.heard
    assert not wire.is_aborted


replies = st.recursive(
    st.sampled_from([b"message", b"subscribe", b"a", b"t", b"pong", b"", b"\n"]).map(text)
    | st.integers(-9, 9).map(whole)
    | st.sampled_from([b"$-1\r\n", b"*-1\r\n", b"+PONG\r\n", b"+\r\n", b"-ERR\r\n"]),
    lambda values: st.lists(values, max_size=4).map(array),
)


@given(st.lists(st.binary(max_size=60) | replies, max_size=5))
def test_arbitrary_bytes_end_the_connection_or_nothing(
    loop: asyncio.AbstractEventLoop, chunks: list[bytes]
) -> None:
    """What is not the protocol of Redis is given up, without any other harm."""
    protocol, ear, wire = connected(loop)
    for chunk in chunks:
        if not wire.is_aborted:
            protocol.data_received(chunk)
    assert not ear.heard
    assert bool(protocol.refusal) == wire.is_aborted


def test_messages_of_one_read_come_in_one_call(loop: asyncio.AbstractEventLoop) -> None:
    """The hub is called once for a run of messages of one tenant."""
    protocol, ear, _ = connected(loop)
    calls: list[int] = []

    def count(tenant: str, messages: Sequence[Message]) -> None:
        calls.append(len(messages))

    ear.announced = count  # type: ignore[method-assign]
    stream = [announced(b"a", 1), announced(b"b", 2), announced(b"c", 3), announced(b"a", 4)]
    protocol.data_received(b"".join(sent for sent, _ in stream))
    assert [2, 1, 1] == calls


def test_an_error_of_the_server_ends_the_connection(loop: asyncio.AbstractEventLoop) -> None:
    """A refused login or subscription leaves its reason."""
    protocol, _, wire = connected(loop)
    protocol.data_received(b"-NOPERM no permission\r\n")
    assert wire.is_aborted
    assert protocol.refusal == "NOPERM no permission"


def test_the_end_of_a_connection_is_told(loop: asyncio.AbstractEventLoop) -> None:
    """Whoever waits for the connection to be ready or lost is woken, and nothing is sent later."""
    protocol, ear, wire = connected(loop)
    protocol.data_received(b"+PONG\r\n")
    assert (True, False) == (protocol.ready.done(), protocol.lost.done())
    protocol.connection_lost(None)
    assert protocol.lost.done()
    protocol.ping()
    protocol.abort()
    assert (b"", False, ["lost"]) == (wire.written, wire.is_aborted, ear.heard)


def test_a_login_comes_before_everything(loop: asyncio.AbstractEventLoop) -> None:
    """Credentials are sent where there are some, then a PING."""
    protocol, _, wire = connected(loop)
    protocol.log_in(())
    protocol.log_in(("user", "secret"))
    ping, login = pack(("PING",)), pack(("AUTH", "user", "secret"))
    assert ping + login + ping == wire.written


def nothing(connection: AnnouncementProtocol) -> None:
    """Take a confirmation, and do nothing."""


@pytest.mark.parametrize("is_sharded", [False, True])
def test_many_channels_are_asked_for_in_pieces(
    loop: asyncio.AbstractEventLoop, is_sharded: bool
) -> None:
    """No command names more than a thousand channels."""
    protocol, _, wire = connected(loop, is_sharded=is_sharded)
    prefix = b"s" if is_sharded else b""
    names = [b"%d" % number for number in range(2001)]
    protocol.subscribe(names, nothing)
    protocol.unsubscribe(names[:1])
    parts = [(prefix + b"subscribe", *names[start : start + 1000]) for start in (0, 1000, 2000)]
    expected = [pack(part) for part in parts] + [pack((prefix + b"unsubscribe", b"0"))]
    assert b"".join(expected) == wire.written


def test_announcements_of_a_shard_are_heard(loop: asyncio.AbstractEventLoop) -> None:
    """Within a cluster messages and confirmations have other words, and the common ones none."""
    protocol, ear, wire = connected(loop, is_sharded=True)
    protocol.subscribe([b"a"], lambda _: ear.heard.append("confirmed"))
    sent, heard = announced(b"a", 7)
    stream = pushed(b"ssubscribe", b"a", 1) + sent + sent.replace(b"$7\r\nm", b"$8\r\nsm")
    protocol.data_received(stream)
    assert ["confirmed", heard] == ear.heard
    assert not wire.is_aborted


def test_each_confirmation_goes_to_who_asked(loop: asyncio.AbstractEventLoop) -> None:
    """Confirmations come in the order of the wishes, whoever had them."""
    protocol, _, _ = connected(loop)
    confirmed: list[str] = []
    protocol.subscribe([b"a", b"b"], lambda _: confirmed.append("first"))
    protocol.subscribe([b"c"], lambda _: confirmed.append("second"))
    for name in (b"a", b"b", b"c"):
        protocol.data_received(pushed(b"subscribe", name, 1))
    assert ["first", "first", "second"] == confirmed


@pytest.mark.parametrize("kind", [b"ssubscribe", b"sunsubscribe"])
def test_p7_what_nobody_asked_for_ends_the_connection(
    loop: asyncio.AbstractEventLoop, kind: bytes
) -> None:
    """A slot that leaves the shard takes its channels along: nothing is heard of them here."""
    protocol, _, wire = connected(loop, is_sharded=True)
    protocol.subscribe([b"a"], nothing)
    protocol.unsubscribe([b"b"])
    protocol.data_received(pushed(b"ssubscribe", b"a", 1) + pushed(b"sunsubscribe", b"b", 1))
    before = wire.is_aborted
    protocol.data_received(pushed(kind, b"a", 0))
    assert (False, True) == (before, wire.is_aborted)
    assert protocol.refusal
