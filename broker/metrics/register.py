"""The register: the numbers of all workers of this machine, as each of them can tell them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from broker.metrics.board import Board
from broker.metrics.declare import declared
from broker.metrics.instruments import Instrument
from broker.metrics.meters import Processes
from broker.metrics.snapshot import Snapshot, counted, decode, encode, joined, take, together

POST_S = 1.0
"""How often a worker lets the others know, in seconds."""


class Place(NamedTuple):
    """
    Where a worker puts its numbers.

    Attributes:
        board: Shared with the other workers.
        number: Its own place; the last one is the supervisor's.
    """

    board: Board
    number: int


class Register:
    """
    The numbers of this worker, and those that the others have posted.

    A worker goes on from the counts of the one whose place it takes, so that none of them ever
    goes back while the supervisor lives.

    Args:
        instruments: Those of this process, by the name of their metric.
        place: Its place among the workers; None where there is only this one.
    """

    def __init__(self, instruments: Mapping[str, Instrument], place: Place | None = None) -> None:
        self._instruments = instruments
        self._place = place
        self._before: Snapshot = {}
        if place is not None:
            self._before = counted(_posted(place.board, place.number))

    def post(self) -> None:
        """Let the other workers know."""
        if self._place is not None:
            self._place.board.write(self._place.number, encode(self._own()))

    def total(self) -> Snapshot:
        """Return the numbers of all workers: of this one as they are, of the others as posted."""
        if self._place is None:
            return together({"0": self._own()})
        board, own = self._place
        return together(
            {
                str(number): self._own() if number == own else _posted(board, number)
                for number in range(board.places)
            }
        )

    def _own(self) -> Snapshot:
        return joined(self._before, take(self._instruments))


class Roll:
    """
    What the supervisor posts: how many workers run, and how often one died.

    Args:
        board: Shared with the workers; the last place is the supervisor's.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._running = 0
        processes = Processes()
        processes.workers.follow(lambda: self._running)
        self._deaths = processes.deaths
        told = {name: getattr(processes, name) for name in ("workers", "deaths")}
        names = {attribute: metric.name for attribute, metric in declared(Processes)}
        self._register = Register(
            {names[attribute]: instrument for attribute, instrument in told.items()},
            Place(board, board.places - 1),
        )

    def started(self) -> None:
        """Take note that a worker was started."""
        self._running += 1
        self._register.post()

    def ended(self, number: int, *, died: bool) -> None:
        """
        Take note that a worker has ended: it has no connections any more, and no memory.

        Args:
            number: Its place.
            died: Whether nobody had asked it to.
        """
        self._running -= 1
        self._deaths.add(died)
        self._board.write(number, encode(counted(_posted(self._board, number))))
        self._register.post()


def _posted(board: Board, number: int) -> Snapshot:
    data = board.read(number)
    return decode(data) if data else {}
