"""
The keeper: a small process that runs the private server for as long as somebody uses it.

Run as a program of its own, `keeper.py BINARY DIRECTORY SOCKET`, and importing nothing but the
standard library, so that it starts at once and costs little. Users hold a shared lock on
`users.lock`. The kernel takes a lock back however its holder ends, so when the keeper gets that
lock for itself, the last user is gone: stopped, crashed or killed. It then stops the server and
ends. A server that crashes is started again; a keeper that is killed takes its server along.
"""

from __future__ import annotations

from pathlib import Path
from types import FrameType
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time

KEEPER_LOCK = "keeper.lock"
USERS_LOCK = "users.lock"
LOG = "server.log"
PID = "server.pid"

POLL_S = 0.1
"""How often the keeper looks for users and at the server."""
STOP_S = 10.0
"""Seconds a server may take to stop before it is killed; nothing answered is lost by that."""
QUICK_S = 5.0
"""A server that ran for less than this did not start well."""
MOST_QUICK_ENDS = 3
"""So many bad starts in a row, and the keeper gives up."""

CLAIM_S = 1.0
"""How long a new keeper tries for its lock: others look at it, for a moment each."""
_CLAIM_POLL_S = 0.01

_PR_SET_PDEATHSIG = 1
_TIMEOUT_S = 1.0


def lock(path: Path, kind: int) -> int | None:
    """
    Open a lock file and lock it without waiting.

    Args:
        path: The file; made where it is not there.
        kind: `fcntl.LOCK_SH` or `fcntl.LOCK_EX`.

    Returns:
        Its descriptor, which holds the lock until it is closed; None when others are in the way.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def ask(path: str, command: str) -> bytes:
    """Send one command to the server; return the beginning of its answer, empty when it is gone."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(path)
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(64)
    except OSError:
        return b""


class Keeper:
    """
    Runs one server.

    Args:
        binary: Its program.
        directory: Where it keeps its files, and where the locks are.
        path: Its unix socket.
    """

    def __init__(self, binary: str, directory: Path, path: str) -> None:
        self._command = [
            *(binary, "--port", "0", "--unixsocket", path, "--unixsocketperm", "700"),
            *("--dir", str(directory), "--pidfile", str(directory / PID)),
            *("--save", "", "--appendonly", "yes", "--appendfsync", "everysec"),
            *("--maxmemory-policy", "noeviction", "--loglevel", "warning", "--daemonize", "no"),
            # A node that lags is cut off and reads what it missed, rather than fill the memory.
            *("--client-output-buffer-limit", "pubsub 256mb 64mb 60"),
        ]
        self._users = directory / USERS_LOCK
        self._path = path
        self._asked_to_stop = False

    def run(self) -> int:
        """Run the server until nobody uses it; return the exit status."""
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._end_orphan()
        quick_ends = 0
        while quick_ends < MOST_QUICK_ENDS:
            began = time.monotonic()
            # Single-threaded, so running Python between fork and exec is safe.
            server = subprocess.Popen(  # noqa: S603 - the command is ours
                self._command,
                preexec_fn=_die_with_parent,  # noqa: PLW1509
            )
            if self._watch(server):
                _stop(server)
                return 0
            quick_ends = quick_ends + 1 if time.monotonic() - began < QUICK_S else 0
            time.sleep(POLL_S)
        return 1

    def _watch(self, server: subprocess.Popen[bytes]) -> bool:
        """Wait; return True when it is time to stop the server, False when it ended by itself."""
        while server.poll() is None:
            # The lock is held until this process ends, so nobody comes while the server stops.
            if self._asked_to_stop or lock(self._users, fcntl.LOCK_EX) is not None:
                return True
            time.sleep(POLL_S)
        return False

    def _end_orphan(self) -> None:
        """Stop a server that lost its keeper: only one may write the append-only file."""
        deadline = time.monotonic() + STOP_S
        while ask(self._path, "PING") and time.monotonic() < deadline:
            ask(self._path, "SHUTDOWN")
            time.sleep(POLL_S)

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._asked_to_stop = True


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _claim(path: Path) -> bool:
    """Take the keeper's lock until this process ends; return False when there is a keeper."""
    deadline = time.monotonic() + CLAIM_S
    while lock(path, fcntl.LOCK_EX) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_CLAIM_POLL_S)
    return True


def _die_with_parent() -> None:  # pragma: no cover - runs between fork and exec
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> int:  # pragma: no cover - a program of its own
    """Become the keeper of the command line's server, unless it has one."""
    binary, directory, path = sys.argv[1:]
    if not _claim(Path(directory) / KEEPER_LOCK):
        return 0
    # The lock is taken before the caller goes on, and nobody has to wait for the keeper's end.
    if os.fork():
        os._exit(0)
    return Keeper(binary, Path(directory), path).run()


if __name__ == "__main__":  # pragma: no cover - a program of its own
    sys.exit(main())
