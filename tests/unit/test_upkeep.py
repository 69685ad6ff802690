"""What a node does by the clock: signs of life, and looks at the loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from broker.hub import PING_CHANNEL
from broker.upkeep import LAG_WATCH_S, Heart, LagWatch, Ticker
from tests.support.fanout import Fanout
from tests.support.outlets import RecordingOutlet
from tests.support.stepping import SteppingLoop

BEAT = b".\n"


@pytest.fixture
def node() -> Iterator[Fanout]:
    """Give the inside of a node."""
    made = Fanout()
    yield made
    made.close()


def beats(outlet: RecordingOutlet) -> int:
    """Return how many signs of life a client has read."""
    return bytes(outlet.taken).split(b"\n").count(b".")


def test_every_silent_stream_gets_a_sign_of_life(node: Fanout) -> None:
    """All members of a feed get one each time, and no cursor moves."""
    outlets = [node.attach("a") for _ in range(9)]
    heart = Heart(node.hub, 15.0)
    for count in (1, 2):
        assert 115.0 == heart.due(100.0)
        node.loop.settle()
        assert [count] * 9 == [beats(outlet) for outlet in outlets]
    node.publish("a")
    node.loop.settle()
    assert [[("a", 1)]] * 9 == [outlet.ids for outlet in outlets]
    assert 9 == node.hub.flows.of("lines").messages


def test_pings_are_signs_of_life_too(node: Fanout) -> None:
    """A feed with the ping channel gets none of the others, unless it is held back."""
    outlet = node.attach(PING_CHANNEL, "a")
    node.hub.heartbeat()
    node.loop.settle()
    assert 0 == beats(outlet)
    node.store.is_manual = True
    node.ear.cut()
    node.hub.heartbeat()
    node.loop.settle()
    assert 1 == beats(outlet)


def test_a_stalled_reader_gets_none(node: Fanout) -> None:
    """Who takes nothing is not sent more of nothing, and goes on without a loss."""
    outlet, other = node.attach("a"), node.attach("a")
    outlet.block()
    node.publish("a")
    node.loop.settle()
    before = len(outlet.buffered)
    node.hub.heartbeat()
    node.loop.settle()
    assert before == len(outlet.buffered)
    assert 1 == beats(other)
    outlet.drain()
    node.loop.settle()
    assert [("a", 1)] == outlet.ids


def test_a_reader_that_stalls_at_a_sign_of_life_loses_nothing(node: Fanout) -> None:
    """A comment that does not fit makes a reader lag like any other write."""
    outlet = node.attach("a")
    outlet.block(room=1)
    node.hub.heartbeat()
    node.loop.settle()
    node.publish("a")
    node.loop.settle()
    assert [] == outlet.ids
    outlet.drain()
    node.loop.settle()
    assert [("a", 1)] == outlet.ids
    assert 1 == beats(outlet)


def test_lateness_of_the_loop_is_observed() -> None:
    """A loop that was busy for a while came so late to the timer."""
    loop, seen = SteppingLoop(), list[float]()
    watch = LagWatch(loop, seen.append)
    watch.start()
    loop.advance(2 * LAG_WATCH_S)
    assert [0.0, 0.0] == seen
    loop._now += LAG_WATCH_S + 0.25  # busy, so that nothing else ran
    loop.settle()
    assert pytest.approx(0.25) == seen[-1]
    watch.stop()
    loop.advance(5.0)
    assert 3 == len(seen)
    loop.close()


def test_a_round_that_fails_is_not_the_last(
    node: Fanout, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of one round of upkeep is logged, and the clock goes on with the next."""
    node.attach("a")
    faults = [ValueError("a fault")]
    really_upkeep = node.hub.upkeep

    def upkeep() -> None:
        if faults:
            raise faults.pop()
        really_upkeep()

    monkeypatch.setattr(node.hub, "upkeep", upkeep)
    with node.loop.inside():
        ticking = node.loop.create_task(Ticker(node.hub, node.sync, node.audit, 1.0).run())
    before = node.tenant.high_water
    node.loop.advance(1.5)
    assert before == node.tenant.high_water
    assert "a fault" in caplog.text
    node.loop.advance(5.0)
    assert before < node.tenant.high_water
    ticking.cancel()
    node.loop.settle()
