"""The waiting room never holds more than its places, and gets each of them back."""

from __future__ import annotations

import pytest

from broker.core.errors import Unavailable
from broker.waiting_room import WaitingRoom


def test_a_full_room_sends_away() -> None:
    """Beyond the places there is a refusal that names the limit."""
    room = WaitingRoom(2)
    with room.place():
        assert room.take()
        assert not room.take()
        with pytest.raises(Unavailable) as caught, room.place():
            pass
        assert (2, "max_waiting_subscribers") == (caught.value.limit, caught.value.setting)
        assert 2 == room.waiting
    room.leave(1)
    assert 0 == room.waiting


def test_a_place_is_given_back_when_the_wait_fails() -> None:
    """An error takes no place with it."""
    room = WaitingRoom(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), room.place():
            raise ZeroDivisionError
    assert not room.is_full
