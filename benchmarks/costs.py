"""
What each step of the hot path costs, one by one: `python -m benchmarks.costs`.

The steps run in this process, without HTTP and without a load generator, so the numbers add up to
less than what a whole server shows; they tell where its time goes. CPU time of this process, the
best of several runs; the kernel's part of a write is in it.
"""

from __future__ import annotations

from asyncio import Runner
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from struct import pack
from tempfile import TemporaryDirectory
from time import process_time
from typing import NamedTuple
import socket
import sys

import uvloop

from broker.core.cursor import START, Cursor
from broker.core.errors import BrokerError
from broker.core.message import Draft, Message
from broker.core.ring import Retention
from broker.core.session import Session
from broker.hub import Hub
from broker.hub.channel import Channel
from broker.hub.feed import Feed
from broker.hub.pump import Turn
from broker.hub.surroundings import FeedLimits
from broker.hub.tenant import Tenant
from broker.protocols.pushstream.wire.encoders import WebSocketEncoder
from broker.store.base import Publication
from broker.store.codec import decode_announcement
from broker.store.embedded import EmbeddedStore
from broker.writing.batched import path_of
from broker.writing.path import WritePath

BODY = b'"' + b"x" * 198 + b'"'
RUNS = 7
MESSAGES = 1000
SOCKETS = 512
BEGIN = Cursor(1_700_000_000, 0)
KEPT = Retention(MESSAGES, 3600)
COHORT = FeedLimits().cohort_size


class Cost(NamedTuple):
    """What one step costs: how often it is done, and CPU microseconds each time."""

    step: str
    made: str
    micros: float


class _Turns:
    """Takes turns in hand."""

    def __init__(self) -> None:
        self.queued: list[Turn] = []

    def queue(self, item: Turn) -> None:
        """Note whose turn it is."""
        self.queued.append(item)

    def give(self) -> None:
        """Give turns until nobody asks for one."""
        while self.queued:
            self.queued.pop().flush()


class _Nobody:
    """Synchronises nothing: the measured hub misses nothing."""

    def heal(self, tenant: Tenant, channels: Sequence[Channel]) -> None:
        """Do nothing."""

    def refill(self, tenant: Tenant, feed: Feed, session: Session) -> None:
        """Do nothing."""

    def forget(self, tenant: Tenant, names: Sequence[str]) -> None:
        """Do nothing."""


class _Sink:
    """An outlet that takes everything and keeps nothing."""

    fd = -1
    ending = False

    def __init__(self) -> None:
        self.bytes = 0

    def bind(self, session: Session) -> None:
        """Take the session."""

    def write(self, data: bytes) -> bool:
        """Take everything."""
        self.bytes += len(data)
        return True

    def spill(self, rest: bytes | memoryview) -> None:
        """Take the rest."""

    def answered(self, cursor: Cursor) -> None:
        """Take note."""

    def end(self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> None:
        """Close."""


def main() -> int:
    """Measure, print a table, and return the exit code."""
    print("| step | made once per | CPU |\n| --- | --- | --: |")
    for cost in costs():
        print(f"| {cost.step} | {cost.made} | {cost.micros:.2f} µs |", flush=True)
    return 0


def costs() -> Iterator[Cost]:
    """Measure each step."""
    with Runner(loop_factory=uvloop.new_event_loop) as runner:
        alone, together = runner.run(_store_calls())
    yield Cost("store call with one message (without the store's own time)", "call", alone)
    yield Cost("the same with 64 messages", "message", together / 64)
    announcement = pack("<QQQQQI?", 7, 1_700_000_000, 7, 1_700_000_000, 6, 1, False) + BODY
    yield Cost(
        "announcement read", "message", _best(lambda: decode_announcement("a.b", announcement))
    )
    encoder, (message, *_) = WebSocketEncoder(), _messages(1)
    yield Cost("envelope and frame", "message and dialect", _best(lambda: encoder.message(message)))
    yield Cost("ring, frame and run of a feed", "message and feed", _received())
    for io_uring in ("off", "auto"):
        path = path_of(io_uring)
        yield Cost(f"write, {path.name}", "session", _write(path))
        path.close()
    replayed = "replay from the local ring, without the write"
    yield Cost(replayed, "message and place", _replay(is_first=True))
    yield Cost("the same, to others at that place", "message and session", _replay(is_first=False))


def _best(step: Callable[[], object], times: int = MESSAGES) -> float:
    """Return CPU microseconds of one step: the best of several runs of many."""
    best = float("inf")
    for _ in range(RUNS):
        began = process_time()
        for _ in range(times):
            step()
        best = min(best, process_time() - began)
    return 1e6 * best / times


def _messages(count: int) -> list[Message]:
    cursors = [Cursor(BEGIN.time, tag) for tag in range(count + 1)]
    return [
        Message(number + 1, "a.b", BODY, cursors[number + 1], cursors[number])
        for number in range(count)
    ]


def _hub(turns: _Turns) -> tuple[Hub, Tenant, Feed]:
    """Return a hub with one feed of one channel that has seen everything so far."""
    hub = Hub(
        turns=turns,
        limits=FeedLimits(),
        retention=lambda _: KEPT,
        clock=lambda: 0.0,
        linger_s=60,
    )
    hub.use(_Nobody())
    tenant = hub.tenant("main")
    tenant.rise(BEGIN)
    feed = hub.feed(tenant, ("a.b",), WebSocketEncoder())
    hub.release(tenant.channels["a.b"])
    return hub, tenant, feed


def _session(feed: Feed, cursor: Cursor) -> Session:
    session = Session(_Sink(), None, notices=False, farewell=lambda _: None)
    feed.attach(session, cursor)
    return session


def _received() -> float:
    best = float("inf")
    for _ in range(RUNS):
        hub, _, feed = _hub(_Turns())
        _session(feed, BEGIN)
        messages = [[message] for message in _messages(MESSAGES)]
        began = process_time()
        for each in messages:
            hub.received("main", each)
        best = min(best, process_time() - began)
    return 1e6 * best / MESSAGES


def _replay(*, is_first: bool) -> float:
    turns = _Turns()
    hub, _, feed = _hub(turns)
    _session(feed, BEGIN)
    hub.received("main", _messages(MESSAGES))
    turns.give()

    def come_back() -> None:
        if is_first:
            feed.around.shelf.clear()
        session = _session(feed, BEGIN)
        turns.give()
        feed.leave(session)

    return _best(come_back, 100) / MESSAGES


def _write(path: WritePath) -> float:
    """Write to sockets in cohorts, and empty them between the rounds, unmeasured."""
    frame = WebSocketEncoder().message(_messages(1)[0])
    best = float("inf")
    with _connections(SOCKETS) as (near, far):
        cohorts = [
            path.aim([each.fileno() for each in near[begin : begin + COHORT]])
            for begin in range(0, SOCKETS, COHORT)
        ]
        for _ in range(10 * RUNS):
            began = process_time()
            for aim in cohorts:
                path.write(aim, frame)
            best = min(best, process_time() - began)
            for each in far:
                each.recv(2 * len(frame))
    return 1e6 * best / SOCKETS


@contextmanager
def _connections(count: int) -> Iterator[tuple[list[socket.socket], list[socket.socket]]]:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=count))
        near, far = [], []
        for _ in range(count):
            far.append(stack.enter_context(socket.create_connection(server.getsockname())))
            near.append(stack.enter_context(server.accept()[0]))
            near[-1].setblocking(False)
            near[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield near, far


async def _store_calls() -> tuple[float, float]:
    """Return CPU microseconds of a call with one message, and of one with 64."""
    found = []
    with TemporaryDirectory() as directory:
        store = EmbeddedStore(Path(directory))
        await store.open()
        for count in (1, 64):
            batch = [Publication([Draft("a.b", BODY)], [KEPT]) for _ in range(count)]
            best = float("inf")
            for _ in range(RUNS):
                began = process_time()
                for _ in range(200):
                    await store.publish("main", batch, START)
                best = min(best, process_time() - began)
            found.append(1e6 * best / 200)
        await store.close()
    return found[0], found[1]


if __name__ == "__main__":
    sys.exit(main())
