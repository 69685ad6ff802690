"""Child processes: started on chosen CPUs, waited for, always ended by their own id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
import os
import resource
import signal
import socket
import subprocess
import time

OPEN_FILES = 65_536
"""Descriptors that a server and the load generator may need, with 10,000 connections each way."""

START_S = 30.0
"""Time in which a server must serve after its start."""

STOP_S = 15.0
"""Time in which it must end when asked to; then it is killed."""

POLL_S = 0.05

SHOWN = 600
"""Characters of a server's output that an error holds."""


class NotServing(RuntimeError):
    """A server ended or did not answer in time; the text holds the end of its output."""


def raise_open_files() -> None:
    """Allow this process and its children as many open files as the system lets them have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in ((OPEN_FILES, max(hard, OPEN_FILES)), (min(hard, OPEN_FILES), hard)):
        if soft >= limit[0]:
            return
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        except (ValueError, OSError):
            continue
        return


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody uses at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether somebody listens to a port of the loopback address."""
    with socket.socket() as sock:
        sock.settimeout(1.0)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def mentioning(text: str) -> list[int]:
    """Return the processes in whose command line a text stands."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in words:
            found.append(int(entry.name))
    return sorted(found)


def wait_gone(pids: Sequence[int]) -> None:
    """Wait for processes that are about to end by themselves, for `STOP_S` at most."""
    deadline = time.monotonic() + STOP_S
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(POLL_S)


def server_cpus() -> frozenset[int]:
    """Return the CPUs of the servers: all but the load generator's."""
    cpus = os.sched_getaffinity(0)
    return frozenset(cpus - {max(cpus)}) if len(cpus) > 1 else frozenset(cpus)


def generator_cpu() -> int:
    """Return the CPU of the load generator: the last one."""
    return max(os.sched_getaffinity(0))


@contextmanager
def running_on(cpus: frozenset[int] | None) -> Iterator[None]:
    """Start children on these CPUs only; None: on all."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Child:
    """
    A server process.

    Args:
        command: Program and arguments.
        log: File that takes its output.
        cpus: CPUs that it may use; None: all.
        environment: Variables besides those of this process.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        cpus: frozenset[int] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        with log.open("ab") as out, running_on(cpus):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
        """
        Wait for the server to be ready, and end it if it does not get so far.

        Raises:
            NotServing: It ended, or was not ready in time.
        """
        try:
            self._wait_until(ready, what, timeout_s)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process, and kill it when it does not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_S)

    def _wait_until(self, ready: Callable[[], bool], what: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self._process.poll() is not None:
                raise NotServing(f"{what} ended with {self._process.returncode}: {self._tail()}")
            if time.monotonic() > deadline:
                raise NotServing(f"{what} was not ready after {timeout_s:g} s: {self._tail()}")
            time.sleep(POLL_S)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-SHOWN:].strip()
