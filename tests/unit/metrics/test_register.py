"""The register tells the numbers of all workers, and no count of theirs ever goes back."""

from __future__ import annotations

from broker.metrics import Board, Meters, Place, Register, Roll
from broker.metrics.snapshot import Snapshot


def value(total: Snapshot, name: str, *labels: str) -> float:
    """Return the number of a series."""
    [row] = [row for row in total[name] if row.labels == labels]
    return row.values[0]


def has(total: Snapshot, name: str) -> set[tuple[str, ...]]:
    """Return the labels of a metric's series."""
    return {row.labels for row in total[name]}


class Worker:
    """A worker with a few numbers."""

    def __init__(self, board: Board | None, number: int = 0) -> None:
        self.meters = Meters()
        place = None if board is None else Place(board, number)
        self.register = Register(self.meters.instruments(), place)

    def deliver(self, messages: int) -> None:
        """Count delivered messages."""
        self.meters.delivering.messages.of("websocket").add(messages)

    def stand(self, number: int) -> None:
        """Have so many sessions, and bytes of memory."""
        self.meters.delivering.sessions.follow(lambda: {"poll": number})
        self.meters.processes.resident.follow(lambda: number)


def test_a_worker_alone_tells_its_own_numbers() -> None:
    """Without a board, everything is as this process counts it now."""
    worker = Worker(None)
    worker.register.post()
    worker.deliver(3)
    worker.meters.processes.resident.follow(lambda: 7)
    total = worker.register.total()
    assert 3 == value(total, "broker_delivered_messages_total", "websocket")
    assert 7 == value(total, "broker_process_resident_memory_bytes", "0")


def test_workers_are_added_up_or_told_apart() -> None:
    """Counters, gauges and histograms add up; what says something of a process keeps its label."""
    board = Board(3)
    first, second = Worker(board, 0), Worker(board, 1)
    for worker, number in ((first, 1), (second, 10)):
        worker.deliver(number)
        worker.stand(number)
        worker.meters.storing.heals.observe(0.02)
        worker.register.post()
    for worker in (first, second):
        total = worker.register.total()
        assert 11 == value(total, "broker_delivered_messages_total", "websocket")
        assert 11 == value(total, "broker_sessions", "poll")
        assert 1 == value(total, "broker_process_resident_memory_bytes", "0")
        assert 10 == value(total, "broker_process_resident_memory_bytes", "1")
        [heals] = total["broker_heal_seconds"]
        assert 2 == sum(heals.values[:-1])


def test_a_worker_sees_itself_as_it_is_and_others_as_they_posted() -> None:
    """Its own numbers are those of this moment."""
    board = Board(3)
    first, second = Worker(board, 0), Worker(board, 1)
    second.deliver(1)
    second.register.post()
    second.deliver(1)
    first.deliver(5)
    name = "broker_delivered_messages_total"
    assert 6 == value(first.register.total(), name, "websocket")
    assert 2 == value(second.register.total(), name, "websocket")  # the first has posted nothing


def test_the_counts_of_a_dead_worker_stay_and_its_gauges_go() -> None:
    """Who died has delivered what it delivered, and has no subscribers any more."""
    board = Board(3)
    roll = Roll(board)
    first, second = Worker(board, 0), Worker(board, 1)
    for worker in (first, second):
        roll.started()
        worker.deliver(5)
        worker.meters.delivering.sessions.follow(lambda: {"poll": 3})
        worker.meters.processes.cpu.follow(lambda: 1)
        worker.register.post()
    roll.ended(1, died=True)
    total = first.register.total()
    assert 10 == value(total, "broker_delivered_messages_total", "websocket")
    assert 3 == value(total, "broker_sessions", "poll")
    assert {("0",)} == has(total, "broker_process_cpu_seconds_total")
    assert (1, 1) == (value(total, "broker_workers"), value(total, "broker_worker_deaths_total"))


def test_a_successor_goes_on_counting() -> None:
    """Who takes the place of a dead worker begins at its counts, not at zero."""
    board = Board(2)
    roll = Roll(board)
    for lives in range(1, 4):
        roll.started()
        worker = Worker(board, 0)
        worker.deliver(5)
        assert 5 * lives == value(
            worker.register.total(), "broker_delivered_messages_total", "websocket"
        )
        worker.register.post()
        roll.ended(0, died=False)
        assert 0 == value(worker.register.total(), "broker_worker_deaths_total")


def test_the_supervisor_has_no_numbers_of_a_worker() -> None:
    """Its place holds the roll alone."""
    board = Board(2)
    roll, worker = Roll(board), Worker(board, 0)
    roll.started()
    assert {("0",)} == has(worker.register.total(), "broker_process_cpu_seconds_total")
