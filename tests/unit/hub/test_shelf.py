"""What one who came back was written is written to others who come back to the same place."""

from __future__ import annotations

from dataclasses import dataclass, field

from broker.core.ring import Retention
from broker.core.session import State
from broker.hub.shelf import MOST_BYTES
from tests.support.feeds import FeedStand
from tests.support.messages import at, chain, message
from tests.support.outlets import RecordingOutlet


@dataclass(eq=False)
class Writes(RecordingOutlet):
    """
    An outlet that keeps what it was handed.

    Attributes:
        handed: Each write by itself.
    """

    handed: list[bytes] = field(default_factory=list)

    def write(self, data: bytes) -> bool:
        """Keep the very object."""
        self.handed.append(data)
        return super().write(data)


def tags(outlet: RecordingOutlet) -> list[int]:
    """Return the tags of the messages that a client has read."""
    return [frame.cursor.tag for frame in outlet.frames]


def come_back(stand: FeedStand, after: int = 0) -> Writes:
    """Attach a session behind a message, and give it the turns that it needs."""
    outlet = Writes()
    _, session = stand.attach(at(after), outlet)
    stand.pump.run()
    assert State.LIVE is session.state
    return outlet


def test_who_comes_back_to_one_place_is_written_the_same_bytes() -> None:
    """Rings are read and frames joined once for each piece, however many there are."""
    stand = FeedStand(piece_bytes=40)
    stand.announce(*chain("a", *range(1, 9)))
    first, *others = [come_back(stand) for _ in range(3)]
    assert list(range(1, 9)) == tags(first)
    assert len(first.handed) > 2
    for other in others:
        assert list(map(id, first.handed)) == list(map(id, other.handed))
    assert 3 * 8 == stand.feed.flow.history == stand.feed.flow.messages


def test_who_comes_back_elsewhere_gets_what_is_behind_that_place() -> None:
    """Only the very same cursor is the same place."""
    stand = FeedStand()
    stand.announce(*chain("a", 1, 2, 3))
    assert [1, 2, 3] == tags(come_back(stand))
    assert [2, 3] == tags(come_back(stand, 1))


def test_what_is_published_meanwhile_is_not_left_out() -> None:
    """The last piece is the last one only as long as nothing follows it."""
    stand = FeedStand()
    stand.announce(*chain("a", 1, 2))
    come_back(stand)
    stand.announce(message("b", 3))
    assert [1, 2, 3] == tags(come_back(stand))


def test_P2_what_turned_up_late_is_not_left_out() -> None:
    """A message that was found behind others stands in its place for whoever comes later."""
    stand = FeedStand(piece_bytes=20)
    stand.announce(*chain("b", 2, 3, 4))
    assert [2, 3, 4] == tags(come_back(stand))
    stand.hold("a").extend([message("a", 1)])
    stand.release("a")
    assert [1, 2, 3, 4] == tags(come_back(stand))


def test_nothing_is_kept_while_a_channel_is_synchronised() -> None:
    """What a held feed knows is not all that there is."""
    stand = FeedStand(piece_bytes=20)
    stand.announce(*chain("b", 2, 3, 4))
    stand.hold("a")
    outlet, _ = stand.attach(at(0))
    stand.pump.run()
    assert [2, 3, 4] == tags(outlet)
    stand.channels["a"].extend([message("a", 1)])
    stand.release("a")
    assert [1, 2, 3, 4] == tags(come_back(stand))


def test_P3_what_is_no_longer_kept_is_a_gap() -> None:
    """A piece is right only as long as the rings reach back to where it begins."""
    stand = FeedStand(retention=Retention(3))
    stand.channels["a"].bottom = True
    stand.announce(*chain("a", 1, 2, 3))
    assert [1, 2, 3] == tags(come_back(stand))
    stand.channels["a"].delete(at(2))
    late = come_back(stand)
    assert [3] == tags(late)
    assert [at(3)] == [gap.first for gap in late.gaps]
    again = come_back(stand)
    assert [at(3)] == [gap.first for gap in again.gaps]


def test_the_shelf_is_bounded() -> None:
    """Beyond its bytes it is emptied; everybody still gets everything."""
    stand = FeedStand(piece_bytes=MOST_BYTES // 2)
    body = b"x" * (MOST_BYTES // 3)
    stand.announce(*(each._replace(body=body) for each in chain("a", 1, 2, 3, 4)))
    for after in (0, 1, 2, 0):
        assert list(range(after + 1, 5)) == tags(come_back(stand, after))
    shelf = stand.feed.around.shelf
    assert 0 < sum(len(made.data) for made in shelf._made.values()) <= MOST_BYTES
    shelf.clear()
    assert not shelf._made
