"""Whatever happens, each subscriber sees exactly the suffix, or is told exactly what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec
import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from broker.core.cursor import START, Cursor
from broker.core.errors import StoreUnavailable
from broker.core.ring import Retention
from broker.core.session import State
from tests.support.fanout import TENANT, Attached, Fanout, at_once
from tests.support.outlets import LineEncoder
from tests.support.promises import Client, Promises, check_forgotten, check_state

P = ParamSpec("P")

RETENTIONS = {
    "short": Retention(4),
    "long": Retention(500),
    "none": Retention(0),
    "brief": Retention(500, 3),
}
NAMES = st.lists(st.sampled_from([*RETENTIONS, "ping"]), min_size=1, max_size=4, unique=True)
CHANNELS = st.lists(st.sampled_from(sorted(RETENTIONS)), min_size=1, max_size=3)
COUNTS = st.integers(1, 4)
ANY = st.integers(0, 1 << 16)


def inside(method: Callable[P, None]) -> Callable[P, None]:
    """Have a method of the machine do what it does as a callback of the node's loop would."""

    @wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        machine = args[0]
        assert isinstance(machine, AttachMachine)
        with machine.node.loop.inside(), machine.noticing():
            method(*args, **kwargs)

    return wrapper


class AttachMachine(RuleBasedStateMachine):
    """A node, its store, and clients that come and go while everything goes wrong."""

    loses_announcements = False

    def __init__(self) -> None:
        super().__init__()
        self.node = Fanout(retention=RETENTIONS.__getitem__, page_messages=3, linger_s=30.0)
        self.polls = LineEncoder(once=True)
        self.entering: list[tuple[tuple[str, ...], bool, asyncio.Task[Attached]]] = []
        self.clients: list[Client] = []
        self.promises = Promises(self.node)
        self.errands: list[asyncio.Task[object]] = []
        self.first = self.node.store.born(TENANT)
        self.node.store.is_manual = True
        self.has_failed = False
        self.deleted: dict[str, Cursor] = {}

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Take note of a failure, so that the end is not checked as well."""
        try:
            yield
        except BaseException:
            self.has_failed = True
            raise

    # --- publishers and the store ------------------------------------------------------------

    @rule(channels=CHANNELS)
    def publish(self, channels: list[str]) -> None:
        self.node.publish(*channels)

    @rule(channel=st.sampled_from(sorted(RETENTIONS)))
    def delete(self, channel: str) -> None:
        cursor = at_once(self.node.store.delete(TENANT, channel))
        if cursor is not None:
            self.deleted[channel] = cursor

    @rule()
    def flush(self) -> None:
        self.node.loop.advance(1.0)  # no store starts again in the same moment
        self.node.store.lose_everything()
        self.deleted.clear()  # of which the store knows nothing any more

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 4.0, 6.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.node.loop.advance(seconds)

    @rule(is_down=st.booleans())
    def fail(self, is_down: bool) -> None:
        self.node.store.is_down = is_down

    @rule(room=st.sampled_from([1, 2, 5, 1 << 30]))
    def answer_shortly(self, room: int) -> None:
        self.node.store.room = room

    @rule(count=COUNTS)
    def let_go(self, count: int) -> None:
        self.node.store.let_go(count)

    # --- announcements ------------------------------------------------------------

    @rule(count=COUNTS)
    @inside
    def deliver(self, count: int) -> None:
        self.node.ear.deliver(count)

    @rule()
    def go_well(self) -> None:
        """Let everything happen that is under way, as it should."""
        self.node.store.is_down = False
        if self.node.ear.is_cut:
            self.restore()
        for _ in range(30):
            self.node.store.let_go(100)
            self.deliver(100)
            self.node.loop.settle()

    @precondition(lambda self: not self.node.ear.is_cut)
    @rule()
    @inside
    def cut(self) -> None:
        self.node.ear.cut()

    @precondition(lambda self: self.node.ear.is_cut)
    @rule()
    @inside
    def restore(self) -> None:
        self.node.ear.restore()

    @precondition(lambda self: self.loses_announcements)
    @rule()
    @inside
    def drop(self) -> None:
        self.promises.dropped |= {message.body for message in self.node.ear.drop()}

    # --- the node ------------------------------------------------------------

    @rule(count=COUNTS)
    def step(self, count: int) -> None:
        for _ in range(count):
            self.node.loop.step()

    @rule()
    def settle(self) -> None:
        self.node.loop.settle()

    @rule()
    @inside
    def tick(self) -> None:
        self._do(self.node.sync.tick(self.node.tenant))

    @rule()
    @inside
    def ping(self) -> None:
        self.node.hub.ping(self.node.wall())

    @rule()
    @inside
    def upkeep(self) -> None:
        self.node.hub.upkeep()
        self.node.audit.step()

    @rule(names=NAMES)
    @inside
    def shed(self, names: list[str]) -> None:
        for name in names:
            channel = self.node.tenant.channels.get(name)
            if channel is not None and channel.pending is None:
                channel.shed()

    # --- clients ------------------------------------------------------------

    @rule(names=NAMES, choice=ANY, is_poll=st.booleans())
    def attach(self, names: list[str], choice: int, is_poll: bool) -> None:
        self._attach(tuple(names), self._any_cursor(choice), is_poll)

    @precondition(lambda self: self.clients)
    @rule(which=ANY, room=st.integers(0, 60))
    @inside
    def block(self, which: int, room: int) -> None:
        self._client(which).outlet.block(room)

    @precondition(lambda self: self.clients)
    @rule(which=ANY)
    @inside
    def drain(self, which: int) -> None:
        self._client(which).outlet.drain()

    @precondition(lambda self: self.clients)
    @rule(which=ANY, names=NAMES, is_poll=st.booleans(), by_frame=st.integers(0, 2))
    @inside
    def resume(self, which: int, names: list[str], is_poll: bool, by_frame: int) -> None:
        client = self._client(which)
        cursor = client.cursors[-1 - by_frame % len(client.cursors)]
        if not (self.clients.index(client) + which) % 3:
            names = list(client.names)
        self._leave(client)
        self._attach(tuple(names), cursor, is_poll)

    @precondition(lambda self: self.clients)
    @rule(which=ANY, is_poll=st.booleans())
    @inside
    def sent_away(self, which: int, is_poll: bool) -> None:
        """End a session; its goodbye carries the cursor, behind all that is buffered."""
        client = self._client(which)
        was_attached = client.attached.session.state is not State.CLOSED
        client.attached.session.end(None)
        [(_, cursor)] = client.outlet.ends
        client.outlet.taken += client.outlet.buffered
        client.outlet.taken += self.node.encoder.join((), cursor, None)
        assert was_attached or not client.is_poll or client.outlet.answers
        self.promises.check(client)
        self._leave(client)
        self._attach(client.names, cursor, is_poll)

    def _client(self, which: int) -> Client:
        return self.clients[which % len(self.clients)]

    def _any_cursor(self, choice: int) -> Cursor | None:
        log = self.node.log
        options = [None, self.first, self.node.tenant.high_water, Cursor(2**33, 1), START]
        cursor = [*options, *(message.cursor for message in log)][choice % (len(log) + 5)]
        return None if cursor == START and choice % 2 else cursor

    def _attach(self, names: tuple[str, ...], cursor: Cursor | None, is_poll: bool) -> None:
        encoder = self.polls if is_poll else self.node.encoder
        self.entering.append((names, is_poll, self.node.enter(names, cursor, encoder)))

    def _leave(self, client: Client) -> None:
        client.outlet.hang_up()
        self.clients.remove(client)

    def _do(self, work: object) -> None:
        self.errands.append(self.node.loop.create_task(work))  # type: ignore[arg-type]

    # --- what must hold ------------------------------------------------------------

    @invariant()
    def everyone_sees_the_suffix(self) -> None:
        for names, is_poll, task in list(self.entering):
            if task.done():
                self.entering.remove((names, is_poll, task))
                if not isinstance(task.exception(), StoreUnavailable):
                    self.clients.append(Client(names, task.result(), is_poll))
        for errand in [errand for errand in self.errands if errand.done()]:
            self.errands.remove(errand)
            assert isinstance(errand.exception(), StoreUnavailable | None)
        with self.noticing():
            for client in self.clients:
                self.promises.check(client)

    @invariant()
    def nothing_is_inconsistent(self) -> None:
        with self.noticing():
            check_state(self.node)

    def teardown(self) -> None:
        try:
            if not self.has_failed:
                self._end()
        finally:
            self.node.close()

    def _end(self) -> None:
        node = self.node
        node.store.is_down = False
        node.store.is_manual = False
        node.store.let_go(1000)
        if node.ear.is_cut:
            self.restore()
        self.deliver(1000)
        for _ in range(3):
            for which in range(len(self.clients)):
                self.drain(which)
            self.tick()
            self.upkeep()
            node.loop.advance(1.0)
            self.everyone_sees_the_suffix()
            self.nothing_is_inconsistent()
        for client in self.clients:
            self.promises.check_end(client)
        for name, channel in node.tenant.channels.items():
            floor = self.deleted.get(name, START)
            assert all(message.cursor > floor for message in channel.ring.since(START))
        with node.loop.inside():
            for client in list(self.clients):
                self._leave(client)
        check_forgotten(node)


class LossyMachine(AttachMachine):
    """The same with announcements that are lost without a sign."""

    loses_announcements = True


TestAttach = AttachMachine.TestCase
TestAttach.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None, report_multiple_bugs=False
)
TestLossy = LossyMachine.TestCase
TestLossy.settings = settings(
    max_examples=40, stateful_step_count=60, deadline=None, report_multiple_bugs=False
)
