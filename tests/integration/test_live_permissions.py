"""New channel rules: what becomes of those who came under the old ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import pairwise
import asyncio
import json

import pytest

from broker.catalog import Catalog
from broker.core.cursor import Cursor
from broker.core.errors import BrokerError
from broker.core.revocations import Revocation
from broker.core.session import Session
from broker.patrol import RETURN_S, SLICE_S, Patrol
from broker.protocols.pushstream.wire.encoders import WebSocketEncoder
from broker.subscribe import Entry, Subscriber
from tests.support.node import RunningNode, running_node
from tests.support.slow import SlowStore
from tests.support.subscribers import UPGRADE, WebSocket
from tests.support.waiting import eventually
from tests.support.wire import read_cursor, subscription

RULES = """\
channels:
  - {name: ping, subscribe: public}
  - {name: "open.{id}", history: {messages: 10, age: 1h}, subscribe: public}
  - {name: "team.{id}", subscribe: [{role: reader}]}
  - {name: "news.{id}", subscribe: [{role: reader}, {role: guest}]}
"""
WITHOUT_TEAM = RULES.replace('"team.{id}", subscribe: [{role: reader}]', '"team.{id}"')
WITHOUT_OPEN = RULES.replace("1h}, subscribe: public", "1h}, subscribe: [{role: reader}]")


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    """Run a node under `RULES`."""
    async with running_node(channels=RULES) as running:
        yield running


def use(node: RunningNode, rules: str) -> None:
    """Have a node use other rules, as SIGHUP does."""
    node.node.replace_rules(Catalog.parse(rules))


async def goodbye(websocket: WebSocket) -> Cursor:
    """Read the error frame and the close frame of who may not stay; return their cursor."""
    told = json.loads(await websocket.text())
    assert 403 == told["error"]["status"]
    cursor = read_cursor(told["tag"], told["time"])
    frame = await websocket.closing()
    reason = json.loads(frame.reason)
    assert (3403, str(cursor)) == (frame.code, reason["cursor"])
    assert 0 <= reason["retry_after"] <= RETURN_S
    return cursor


async def test_p9_who_loses_a_channel_comes_back_for_the_others(node: RunningNode) -> None:
    """On every transport the session ends with its cursor; the same request then gets the rest."""
    channels, token = ["team.1", "news.1"], node.token(role="reader")
    before = await node.now(channels, token)
    async with (
        node.websocket(channels, before, token) as websocket,
        node.events(channels, before, token) as events,
        node.connect() as http,
    ):
        await http.send(subscription("longpoll", channels, before, token))
        await eventually(lambda: node.sessions == 3)
        use(node, WITHOUT_TEAM)
        cursors = [await goodbye(websocket)]
        event = await events.event()
        assert ("close", 403) == (event.kind, event.told["status"])
        assert events.retry_ms is not None
        assert 0 <= events.retry_ms <= 1000 * RETURN_S
        cursors.append(event.cursor)
        answer = await http.answer()
        assert (403, "channels") == (answer.status, answer.problem["field"])
        assert 0 <= int(answer.headers["Retry-After"]) <= RETURN_S
        cursors.append(answer.cursor)

        await node.publish("team.1", "hidden")
        await node.publish("news.1", "seen")
        for cursor in cursors:
            async with node.websocket(channels, cursor, token) as again:
                assert "seen" == (await again.envelope()).message
            found = await node.poll(channels, cursor, token)
            assert ["seen"] == [each.message for each in found.envelopes]


async def test_who_may_stay_notices_nothing(node: RunningNode) -> None:
    """A session whose channels are all still allowed goes on, on the same connection."""
    token = node.token(role="guest")
    async with (
        node.websocket(["news.1", "ping"], None, token) as mine,
        node.websocket(["open.1"]) as public,
    ):
        await mine.envelope()
        for rules in (WITHOUT_TEAM, RULES, RULES.replace("role: reader", "role: writer")):
            use(node, rules)
            await node.publish(["news.1", "open.1"], rules)
            assert rules == (await mine.envelope()).message
            assert rules == (await public.envelope()).message
        assert 2 == node.sessions


async def test_p9_public_channels_can_be_closed(node: RunningNode) -> None:
    """Who came without a token goes as well, when there is no public channel any more."""
    reader = node.token(role="reader")
    async with (
        node.websocket(["open.1"]) as public,
        node.websocket(["open.1"], None, reader) as mine,
    ):
        await eventually(lambda: node.sessions == 2)
        use(node, WITHOUT_OPEN)
        await goodbye(public)
        sent = await node.publish("open.1", 1)
        assert sent.cursor == (await mine.envelope()).cursor
        assert 401 == (await node.poll(["open.1"])).status


@pytest.mark.parametrize("mode", ["websocket", "eventsource", "longpoll", "shortpoll"])
async def test_p9_rules_that_change_while_a_request_waits_count(mode: str) -> None:
    """Between the decision and the first message lies the store: the rules of the end count."""
    store = SlowStore()
    async with running_node(store, channels=RULES) as node, node.connect() as http:
        headers = UPGRADE if mode == "websocket" else {}
        cursor, token = Cursor(1_700_000_000, 1), node.token(role="reader")
        await http.send(subscription(mode, ["team.1", "news.1"], cursor, token), headers)
        await eventually(lambda: store.waiting)
        use(node, WITHOUT_TEAM)
        store.gate.set()
        answer = await http.answer()
        assert (403, "channels") == (answer.status, answer.problem["field"])
        assert 0 == node.sessions


async def test_new_retentions_hold_at_once(node: RunningNode) -> None:
    """A history that may hold less holds less, and says what is missing (P3)."""
    async with node.websocket(["open.1"]):
        first = await node.publish("open.1", 0)
        for number in range(1, 5):
            await node.publish("open.1", number)
        assert 4 == len((await node.poll(["open.1"], first.cursor)).envelopes)
        use(node, RULES.replace("messages: 10", "messages: 2"))
        answer = await node.poll(["open.1"], first.cursor)
        assert [3, 4] == [each.message for each in answer.envelopes]
        assert "X-Broker-Gap" in answer.headers


class Door:
    """A connection that only notes its end."""

    fd = -1

    def __init__(self) -> None:
        self.error: BrokerError | None = None
        self.ending = False

    def bind(self, session: Session) -> None:
        """Take no note of the session."""

    def write(self, data: bytes) -> bool:
        """Send everything."""
        return True

    def spill(self, rest: bytes | memoryview) -> None:
        """Buffer nothing."""

    def answered(self, cursor: Cursor) -> None:
        """Take no note."""

    def end(self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> None:
        """Note why."""
        assert not self.ending
        self.error, self.ending = error, True


class Fault(Door):
    """A connection that cannot even be ended."""

    def end(self, error: BrokerError | None, cursor: Cursor, retry_after_s: float | None) -> None:
        """Fail."""
        raise ZeroDivisionError


Make = Callable[[], Door]


async def fill(node: RunningNode, subjects: int, count: int, make: Make = Door) -> list[Door]:
    """Attach so many sessions of each subject to two lists each, every other one without team.1."""
    inside = node.node
    assert inside._sync is not None
    subscriber = Subscriber(inside.hub, inside._sync, inside.attendance)
    doors: list[Door] = []
    encoder = WebSocketEncoder()
    for number in range(subjects):
        grants = inside._verifier.verify(node.token(sub=str(number), role="reader"))
        for names in (("team.1", "news.1"), ("news.1",)):
            entry = await subscriber.enter("main", names, None, encoder)
            for _ in range(count):
                doors.append(make())
                place = Entry(entry.feed, entry.cursor)
                subscriber.attach(place, doors[-1], grants, notices=False)
    return doors


async def test_ten_thousand_sessions_do_not_stall_the_loop(node: RunningNode) -> None:
    """A round through all sessions lets the loop work after each slice of its time."""
    doors = await fill(node, 50, 100)
    time_s = 0.0

    def clock() -> float:
        nonlocal time_s
        time_s += SLICE_S / 50
        return time_s

    rules = Catalog.parse(WITHOUT_TEAM)
    patrol = Patrol(node.node.attendance, lambda: rules, clock, node.clock)
    patrol.review()
    ended = [0]
    while ended[-1] < 5000:
        await asyncio.sleep(0)
        ended.append(sum(door.ending for door in doors))
    assert 50 >= max(after - before for before, after in pairwise(ended))
    await eventually(lambda: not patrol._suspects)
    assert [True, False] * 50 == [door.ending for door in doors[::100]]
    assert 5000 == node.sessions == sum(not door.ending for door in doors)
    await patrol.close()


async def test_p9_what_is_revoked_during_a_round_counts_too(node: RunningNode) -> None:
    """Whoever is revoked while a round is under way, or leaves meanwhile, is dealt with once."""
    doors = await fill(node, 20, 10)
    clock = iter(range(10**9))
    rules = Catalog.parse(WITHOUT_TEAM)
    patrol = Patrol(node.node.attendance, lambda: rules, lambda: next(clock), node.clock)
    patrol.review()
    await asyncio.sleep(0)
    leaving = [session for session in node.node.attendance if session.feed is not None][:50]
    for session in leaving:
        session.lost()
    patrol.revoked([Revocation("main", 4_000_000_000, sub=str(number)) for number in range(10)])
    await eventually(lambda: not patrol._is_walking)
    assert set() == patrol._suspects.keys()
    left = {id(session.outlet) for session in leaving}
    for number, door in enumerate(doors):
        if id(door) not in left:
            assert (number < 200 or number // 10 % 2 == 0) == door.ending, number
    patrol.revoked([Revocation("main", 4_000_000_000)])
    await eventually(lambda: node.sessions == 0)
    await patrol.close()


async def test_a_session_that_cannot_be_ended_stops_nobody(
    node: RunningNode, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault with one session is logged, and the others are sent away all the same."""
    several = [kind() for kind in [Fault, Door] * 10]
    doors = await fill(node, 1, 10, iter(several).__next__)
    node.node.patrol.revoked([Revocation("main", 4_000_000_000, sub="0")])
    await eventually(lambda: 10 == sum(door.ending for door in doors))
    assert "ZeroDivisionError" in caplog.text
