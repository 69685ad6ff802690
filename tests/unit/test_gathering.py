"""Whether it pays to wait for more publications, told by how many came together of late."""

from __future__ import annotations

from broker.gathering import ENOUGH_MESSAGES, WINDOW_S, Gathering


def crowd(gathering: Gathering, count: int, now: float) -> None:
    """Have so many wait together, and be answered."""
    for _ in range(count):
        gathering.enter(now)
    gathering.leave(count)


def test_one_publisher_alone_is_everybody() -> None:
    """However often it comes, it never waits for others."""
    gathering = Gathering()
    for turn in range(100):
        gathering.enter(turn / 1000)
        assert gathering.is_complete(1)
        gathering.leave(1)


def test_as_many_as_came_together_are_waited_for() -> None:
    """Three came together before: one and two are not everybody, three are."""
    gathering = Gathering()
    crowd(gathering, 3, 0.0)
    complete = []
    for _ in range(3):
        gathering.enter(0.1)
        complete.append(gathering.is_complete(1))
    assert [False, False, True] == complete


def test_those_whose_call_is_under_way_are_here() -> None:
    """Who waits for an answer sends nothing: it is not waited for."""
    gathering = Gathering()
    crowd(gathering, 3, 0.0)
    gathering.enter(0.1)
    gathering.enter(0.1)  # these two are in a call
    gathering.enter(0.1)
    assert gathering.is_complete(1)


def test_a_call_of_many_messages_waits_for_nobody() -> None:
    """It has what there is to be saved."""
    gathering = Gathering()
    crowd(gathering, 3, 0.0)
    gathering.enter(0.1)
    assert not gathering.is_complete(ENOUGH_MESSAGES - 1)
    assert gathering.is_complete(ENOUGH_MESSAGES)


def test_a_crowd_is_remembered_for_a_while() -> None:
    """For one to two windows; then one publisher is everybody again."""
    gathering = Gathering()
    crowd(gathering, 3, 10.0)
    for now, expected in (
        (10.0 + WINDOW_S - 0.01, False),
        (10.0 + WINDOW_S + 0.01, False),
        (10.0 + 2 * WINDOW_S + 0.02, True),
    ):
        gathering.enter(now)
        assert expected == gathering.is_complete(1), now
        gathering.leave(1)


def test_a_long_silence_forgets_at_once() -> None:
    """Whoever comes after it is alone."""
    gathering = Gathering()
    crowd(gathering, 3, 10.0)
    gathering.enter(10.0 + 2 * WINDOW_S)
    assert gathering.is_complete(1)
