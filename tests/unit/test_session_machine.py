"""Live, lagging and blocked sessions of a few feeds: whoever's turn it is, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
import pytest

from broker.core.ring import Retention
from broker.hub.surroundings import FeedLimits
from tests.support.fanout import Fanout
from tests.support.outlets import LineEncoder, RecordingOutlet
from tests.support.promises import Client, Promises, check_forgotten, check_state
from tests.support.turns import HandPump

COHORT_SIZE = 3
LISTS = [("a",), ("a", "b"), ("b", "ping")]
ANY = st.integers(0, 1 << 16)
ROOMS = st.one_of(st.none(), st.integers(0, 80))


class SessionMachine(RuleBasedStateMachine):
    """Sessions over a store that works, with a pump that is turned by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("broker.hub.feed._LONG_RUN", 4)
        self.patch.setattr("broker.hub.run._TRIM", 2)
        self.pump = HandPump()
        limits = FeedLimits(COHORT_SIZE, piece_bytes=90, answer_bytes=90)
        self.node = Fanout(retention=lambda _: Retention(12), limits=limits, turns=self.pump)
        self.polls = LineEncoder(once=True)
        self.promises = Promises(self.node)
        self.clients: list[Client] = []
        self.has_failed = False

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Do something as a callback of the loop; a failure keeps the end from being checked."""
        try:
            with self.node.loop.inside():
                yield
        except BaseException:
            self.has_failed = True
            raise

    # --- rules ------------------------------------------------------------

    @rule(channels=st.lists(st.sampled_from("ab"), min_size=1, max_size=5))
    def publish(self, channels: list[str]) -> None:
        self.node.publish(*channels)

    @rule(count=st.integers(1, 4))
    def turn(self, count: int) -> None:
        with self.noticing():
            for _ in range(count):
                self.pump.turn()

    @rule(names=st.sampled_from(LISTS), choice=ANY, is_poll=st.booleans(), room=ROOMS)
    def attach(self, names: tuple[str, ...], choice: int, is_poll: bool, room: int | None) -> None:
        cursors = [self.node.store.born("main"), *(message.cursor for message in self.node.log)]
        cursor = None if choice % 4 == 0 else cursors[-1 - choice % len(cursors)]
        encoder = self.polls if is_poll else self.node.encoder
        outlet = RecordingOutlet(room=room)
        if room == 0:
            outlet.buffered += b".\n"  # the head of the answer still waits
        task = self.node.enter(names, cursor, encoder, outlet)
        self.node.loop.settle()
        self.clients.append(Client(names, task.result(), is_poll))

    @precondition(lambda self: self.clients)
    @rule(which=ANY, room=st.integers(0, 120))
    def block(self, which: int, room: int) -> None:
        self._client(which).outlet.block(room)

    @precondition(lambda self: self.clients)
    @rule(which=ANY, room=ROOMS)
    def drain(self, which: int, room: int | None) -> None:
        with self.noticing():
            self._client(which).outlet.drain(room)

    @precondition(lambda self: self.clients)
    @rule(which=ANY)
    def spill(self, which: int) -> None:
        """Write something of the transport's own, which the client does not take."""
        client = self._client(which)
        with self.noticing():
            if client.outlet.room == 0 and not client.outlet.ending:
                client.outlet.spill(b".\n")

    @precondition(lambda self: self.clients)
    @rule(which=ANY)
    def hang_up(self, which: int) -> None:
        client = self._client(which)
        with self.noticing():
            self.promises.check(client)
            client.outlet.hang_up()
        self.clients.remove(client)

    @rule()
    def ping(self) -> None:
        with self.noticing():
            self.node.hub.ping(self.node.wall())

    @rule()
    def beat(self) -> None:
        with self.noticing():
            self.node.hub.heartbeat()

    @rule(name=st.sampled_from("ab"))
    def distrust(self, name: str) -> None:
        """Hold a channel until it was read again."""
        channel = self.node.tenant.channels.get(name)
        if channel is not None:
            with self.noticing():
                self.node.hub.distrust(self.node.tenant, [channel])

    @rule()
    def step(self) -> None:
        self.node.loop.step()

    @rule()
    def settle(self) -> None:
        """Let everything be written that can be."""
        self.node.loop.settle()
        while self.pump.waiting:
            self.turn(1)
            self.node.loop.settle()
        with self.noticing():
            self._check_quiet()

    def _client(self, which: int) -> Client:
        return self.clients[which % len(self.clients)]

    # --- what must hold ------------------------------------------------------------

    @invariant()
    def everyone_sees_the_suffix(self) -> None:
        with self.noticing():
            for client in self.clients:
                self.promises.check(client)
            check_state(self.node)

    def _check_quiet(self) -> None:
        """At rest whoever is not blocked is live, and nothing is held for those who are."""
        for feed in self.node.hub.feeds:
            assert all(session.blocked for session in feed.lagging)
            if feed.cohorts or feed.is_empty:  # else some frames may wait for who is blocked
                assert 0 == len(feed._run)
            live = sum(len(cohort.members) for cohort in feed.cohorts)
            assert live + len(feed.lagging) == len(list(feed.sessions))
            assert all(len(cohort.members) <= COHORT_SIZE for cohort in feed.cohorts)

    def teardown(self) -> None:
        try:
            if not self.has_failed:
                self._end()
        finally:
            self.node.close()
            self.patch.undo()

    def _end(self) -> None:
        for which in range(len(self.clients)):
            self.drain(which, None)
        self.node.loop.run(self.node.sync.tick(self.node.tenant))
        self.settle()
        self.everyone_sees_the_suffix()
        for client in self.clients:
            self.promises.check_end(client)
        with self.noticing():
            for client in self.clients:
                client.outlet.hang_up()
        check_forgotten(self.node)


TestSession = SessionMachine.TestCase
TestSession.settings = settings(
    max_examples=100, stateful_step_count=60, deadline=None, report_multiple_bugs=False
)
