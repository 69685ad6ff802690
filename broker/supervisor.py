"""The supervisor: several worker processes behind the same ports, kept running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
import contextlib
import ctypes
import logging
import os
import select
import signal
import socket
import time

from broker.logs import event
from broker.metrics import Roll

_log = logging.getLogger(__name__)

Work = Callable[[int, Callable[[], None]], int]
"""What a worker does, given its number: calls its argument once it serves; gives its exit code."""

_HEARD: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_READY: Final = b"!"
_PR_SET_PDEATHSIG: Final = 1
_MOST_DEATHS: Final = 64
"""Deaths in a row beyond which the pause has long reached its limit: no number grows for ever."""


@dataclass(frozen=True, slots=True)
class SupervisorLimits:
    """
    Bounds of supervising.

    Attributes:
        stop_s: Seconds that workers get to stop; those still there are then killed.
        first_pause_s: Seconds before a worker that died is started again.
        longest_pause_s: Seconds at most; the pause doubles with each death in a row.
        steady_s: Seconds of life after which a death counts as the first in a row.
    """

    stop_s: float = 20.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    steady_s: float = 60.0


@dataclass(slots=True)
class _Worker:
    """One place among the workers, and who fills it."""

    number: int
    pid: int = 0
    ready: bool = False
    pipe: int = -1
    started_at: float = 0.0
    start_at: float = field(default=0.0)
    deaths: int = 0


class Supervisor:
    """
    Starts workers by forking, starts those again that die, and stops all of them together.

    Nodes share nothing but the store and the ports (`SO_REUSEPORT`), so a worker that dies takes
    only its own connections with it. Must be used before threads and event loops are made.

    Args:
        count: How many workers.
        work: What each of them does.
        ready: Called once, when all of them serve for the first time.
        limits: Bounds.
        roll: Takes note of workers that begin and end.
    """

    def __init__(
        self,
        count: int,
        work: Work,
        ready: Callable[[], None],
        limits: SupervisorLimits,
        roll: Roll,
    ) -> None:
        self._work = work
        self._ready = ready
        self._limits = limits
        self._roll = roll
        self._workers = [_Worker(number) for number in range(count)]
        self._announced = False
        self._exit_code: int | None = None
        self._stop_by = 0.0

    def run(self) -> int:
        """Supervise until told to stop; return the exit code of the whole."""
        with _signals() as heard:
            while True:
                self._start_due()
                if self._exit_code is not None and not any(w.pid for w in self._workers):
                    return self._exit_code
                pipes = [worker.pipe for worker in self._workers if worker.pipe >= 0]
                watched = [heard.fileno(), *pipes]
                readable, _, _ = select.select(watched, [], [], self._wait_s())
                for pipe in set(readable) & set(pipes):
                    self._hear_worker(pipe)
                if heard.fileno() in readable:
                    for number in heard.recv(256):
                        self._hear_signal(signal.Signals(number))
                self._kill_late()

    # --- starting ----------------------------------------------------------------------------

    def _start_due(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if not worker.pid and self._exit_code is None and worker.start_at <= now:
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        supervisor = os.getpid()
        try:
            pid, reading, writing = _fork()
        except OSError as error:
            self._put_off(worker, error)
            return
        if pid == 0:
            os.close(reading)
            _leave_signals()
            _end_with(supervisor)
            code = 1
            try:
                code = self._work(worker.number, lambda: _tell(writing))
            except KeyboardInterrupt:
                code = 130
            finally:
                logging.shutdown()
                os._exit(code)
        os.close(writing)
        worker.pid, worker.pipe, worker.ready = pid, reading, False
        worker.started_at = time.monotonic()
        self._roll.started()

    def _put_off(self, worker: _Worker, error: OSError) -> None:
        """Try later: a machine that is short of something must not lose the other workers."""
        if not self._announced:
            raise error
        worker.started_at = time.monotonic()
        pause_s = self._pause(worker)
        _log.error(
            "worker %d cannot be started (%s); trying again in %g s",
            worker.number,
            error,
            pause_s,
            extra=event("worker-not-started", worker=worker.number, code=error.errno),
        )

    def _pause(self, worker: _Worker) -> float:
        """Have a worker started later, the later the more often it failed; return the seconds."""
        limits, now = self._limits, time.monotonic()
        is_steady = now - worker.started_at >= limits.steady_s
        worker.deaths = 1 if is_steady else min(worker.deaths + 1, _MOST_DEATHS)
        pause_s = min(limits.first_pause_s * 2.0 ** (worker.deaths - 1), limits.longest_pause_s)
        worker.start_at = now + pause_s
        return pause_s

    def _hear_worker(self, pipe: int) -> None:
        worker = next(worker for worker in self._workers if worker.pipe == pipe)
        worker.ready = os.read(pipe, 1) == _READY
        os.close(pipe)
        worker.pipe = -1
        if not self._announced and all(worker.ready for worker in self._workers):
            self._announced = True
            self._ready()

    # --- ending ------------------------------------------------------------------------------

    def _hear_signal(self, number: signal.Signals) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            self._send(signal.SIGHUP)
        elif self._exit_code is None:
            self._stop(0)
        else:  # asked twice
            self._send(signal.SIGKILL)

    def _reap(self) -> None:
        for worker in self._workers:
            if not worker.pid:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                self._bury(worker, os.waitstatus_to_exitcode(status))

    def _bury(self, worker: _Worker, code: int) -> None:
        pid, worker.pid = worker.pid, 0
        if worker.pipe >= 0:
            os.close(worker.pipe)
            worker.pipe = -1
        self._roll.ended(worker.number, died=self._exit_code is None)
        if self._exit_code is not None:
            return
        if not self._announced and code > 0:
            _log.error(
                "worker %d could not start; stopping",
                worker.number,
                extra=event("worker-not-started", worker=worker.number, code=code),
            )
            self._stop(code)
            return
        pause_s = self._pause(worker)
        _log.error(
            "worker %d (pid %d) died with code %d; starting it again in %g s",
            worker.number,
            pid,
            code,
            pause_s,
            extra=event("worker-died", worker=worker.number, worker_pid=pid, code=code),
        )

    def _stop(self, code: int) -> None:
        self._exit_code = code
        self._stop_by = time.monotonic() + self._limits.stop_s
        self._send(signal.SIGTERM)

    def _kill_late(self) -> None:
        if self._exit_code is not None and time.monotonic() >= self._stop_by:
            self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, number)

    def _wait_s(self) -> float | None:
        """Return the seconds until something is due by the clock; None when nothing is."""
        now = time.monotonic()
        if self._exit_code is not None:
            return max(0.05, self._stop_by - now)
        waits = [worker.start_at - now for worker in self._workers if not worker.pid]
        return max(0.0, min(waits)) if waits else None


def _fork() -> tuple[int, int, int]:
    """
    Fork, with a pipe between the two.

    Returns:
        What `os.fork` does, and the ends of the pipe: for reading and for writing.

    Raises:
        OSError: the machine is short of memory, processes or descriptors.
    """
    reading, writing = os.pipe()
    try:
        return os.fork(), reading, writing
    except OSError:
        os.close(reading)
        os.close(writing)
        raise


def _tell(pipe: int) -> None:
    with contextlib.suppress(OSError):
        os.write(pipe, _READY)
        os.close(pipe)


@contextlib.contextmanager
def _signals() -> Iterator[socket.socket]:
    """Give a socket on which the numbers of signals arrive; the signals do nothing else."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in _HEARD}
    wakeup = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        reading.close()
        writing.close()


def _end_with(supervisor: int) -> None:
    """Have the kernel end a worker, as by SIGTERM, when its supervisor is gone; on Linux."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:  # it went before that
        os.kill(os.getpid(), signal.SIGTERM)


def _leave_signals() -> None:
    """Undo, in a worker, what the supervisor set up for itself."""
    signal.set_wakeup_fd(-1)
    for number in _HEARD:
        signal.signal(number, signal.SIG_DFL)
