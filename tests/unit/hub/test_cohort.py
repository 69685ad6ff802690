"""A cohort writes the same bytes to every member, straight to the descriptor where there is one."""

from __future__ import annotations

from collections.abc import Iterator
import os
import socket

import pytest

from broker.core.session import State
from tests.support.feeds import FeedStand
from tests.support.messages import chain, message
from tests.support.outlets import RecordingOutlet, read_lines

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Return two ends of a connection, ours without blocking."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with ours, theirs:
        yield ours, theirs


def test_bytes_go_to_the_descriptor_itself(pair: Pair) -> None:
    """A whole write needs nothing of the outlet."""
    ours, theirs = pair
    stand = FeedStand()
    outlet, session = stand.attach(outlet=RecordingOutlet(fd=ours.fileno()))
    stand.announce(*chain("a", 1, 2))
    assert 1 == stand.pump.run()
    assert 3 == len(read_lines(theirs.recv(4096)))
    assert (0, State.LIVE) == (outlet.writes, session.state)


def test_P8_a_rest_is_spilled_and_the_member_falls_behind(pair: Pair) -> None:
    """What the kernel does not take waits in the outlet; what comes later waits in the ring."""
    ours, theirs = pair
    stand = FeedStand(piece_bytes=2**20)
    outlet, session = stand.attach(outlet=RecordingOutlet(fd=ours.fileno()))
    large = message("a", 1)._replace(body=b"x" * 300_000)
    stand.announce(large)
    stand.pump.run()
    assert (State.LAGGING, 0) == (session.state, outlet.writes)
    assert outlet.buffered
    stand.announce(message("a", 2, 1))
    stand.pump.run()
    assert 0 == outlet.writes
    theirs.setblocking(False)
    outlet.drain()
    stand.pump.run()
    assert State.LIVE is session.state
    lines = [b"a 1 1000-1 " + large.body, b"@ 1000-1", b"a 1 1000-2 2", b"@ 1000-2", b""]
    assert b"\n".join(lines) == _read(theirs) + outlet.taken


def _read(end: socket.socket) -> bytes:
    """Return what has arrived."""
    data = bytearray()
    while True:
        try:
            data += end.recv(65536)
        except BlockingIOError:
            return bytes(data)


def test_a_full_descriptor_is_the_outlets_business(pair: Pair) -> None:
    """A write that cannot begin goes to the outlet, which buffers or finds that it is dead."""
    ours, _ = pair
    while True:
        try:
            os.write(ours.fileno(), b"x" * 4096)
        except BlockingIOError:
            break
    stand = FeedStand()
    outlet, session = stand.attach(outlet=RecordingOutlet(fd=ours.fileno(), room=0))
    stand.announce(message("a", 1))
    stand.pump.run()
    assert (1, State.LAGGING) == (outlet.writes, session.state)


def test_one_dead_member_harms_nobody(pair: Pair) -> None:
    """The others of the cohort get their bytes; the dead one is left to its outlet."""
    ours, theirs = pair
    theirs.close()
    stand = FeedStand(cohort_size=3)
    before, _ = stand.attach()
    dead, _ = stand.attach(outlet=RecordingOutlet(fd=ours.fileno()))
    after, _ = stand.attach()
    stand.announce(message("a", 1))
    stand.pump.run()
    assert (1, 1, 1) == (len(before.frames), dead.writes, len(after.frames))


def test_a_sign_of_life_leaves_only_where_nothing_else_does() -> None:
    """A cohort that has messages to write needs none, and an empty one neither."""
    stand = FeedStand(cohort_size=1)
    outlet, _ = stand.attach()
    stand.feed.beat(b".\n")
    stand.pump.run()
    assert b".\n" == outlet.taken
    stand.feed.beat(b".\n")
    stand.announce(message("a", 1))
    stand.pump.run()
    assert 1 == outlet.taken.count(b".\n")
    stand.feed.beat(b".\n")
    outlet.hang_up()
    assert 0 == stand.pump.run()


def test_a_sign_of_life_can_fill_an_outlet() -> None:
    """Whoever does not take it falls behind as with a message."""
    stand = FeedStand()
    outlet, session = stand.attach()
    outlet.block(1)
    stand.feed.beat(b".\n")
    stand.pump.run()
    assert State.LAGGING is session.state
    stand.announce(message("a", 1))
    outlet.drain()
    stand.pump.run()
    assert b".\na 1 1000-1 1\n@ 1000-1\n" == outlet.taken
