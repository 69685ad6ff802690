"""A real broker: `broker serve` in a process of its own, to talk to, restart and kill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import TracebackType
from typing import Any, Self
import asyncio
import random
import signal
import socket
import time

from broker.auth.mint import mint
from broker.auth.sources import shared_secret
from tests.support.program import Program
from tests.support.waiting import eventually

START_DEADLINE_S = 20.0
"""Seconds that a broker may take until it serves: it starts a store and reads it back."""

READY = "broker is ready"
"""What a broker prints once both listeners are open."""

PORTS = range(10_240, 32_768)
"""Below the ports that the kernel gives to clients, so that a port stays free over a restart."""

SHOWN_LOG_CHARACTERS = 4000

_PORT_TRIES = 100


class BrokerProcess:
    """
    A broker on two ports of the loopback interface, which stay the same over restarts.

    As an async context manager it is started, and killed at the end; the end of its log is printed
    then, which pytest shows where a test fails. The store is the embedded one unless `--store` is
    among the flags. Nothing here belongs to an event loop.

    Args:
        flags: Further flags of `broker serve`, as `("--drain-s", "0")`.
        data: Data directory; its own unless given. Brokers that share one share the embedded
            store and the secret of tokens.
        environ: Further variables of its environment, `BROKER_...` included.

    Attributes:
        data: The data directory.
        directory: Working directory and place of its logs; removed at the end.
        public: URL for subscribers, without a slash at the end.
        internal: URL for publishers, without a slash at the end.
        starts: How often it was started.

    Example:
        async with BrokerProcess("--longpoll-timeout-s", "1") as broker:
            url = f"{broker.public}/longpoll/ping?auth_token={broker.token()}"
    """

    def __init__(
        self, *flags: str, data: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.directory = Path(mkdtemp(prefix="broker-"))
        self.data = data or self.directory / "data"
        self.flags = flags
        self.environ = dict(environ or {})
        self.starts = 0
        ports = free_ports(2)
        self.public, self.internal = (f"http://127.0.0.1:{port}" for port in ports)
        self._program: Program | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """
        Start it and wait until it serves.

        Raises:
            AssertionError: it ended, or did not serve in time; its log is in the message.
        """
        assert not self.running, "it runs already"
        program = self._program = self.run(
            "serve",
            *("--public", self.public.removeprefix("http://")),
            *("--internal", self.internal.removeprefix("http://")),
            *self.flags,
        )
        self.starts += 1
        try:
            await eventually(
                lambda: READY in program.lines() or program.code is not None,
                START_DEADLINE_S,
                what="the broker serves",
            )
            assert program.code is None, f"it ended with {program.code}"
        except AssertionError as error:
            said = program.said()
            self.close()
            raise AssertionError(f"{error}\n{said}") from None

    async def stop(self, deadline_s: float = 30.0) -> int:
        """End it as its operator would, by SIGTERM; return the exit code."""
        self.signal(signal.SIGTERM)
        return await self._running().ended(deadline_s)

    async def restart(self) -> None:
        """Stop it, if it still runs, and start it on the same ports with the same data."""
        if self.running:
            await self.stop()
        await self.start()

    def kill(self) -> None:
        """End it at once, as a power cut would: SIGKILL."""
        self._running().kill()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._running().signal(number)

    def close(self) -> None:
        """Kill it if it runs, print the end of its log, remove its files; again does nothing."""
        if self._program is not None:
            self._program.kill()
        if self.directory.exists():
            print(f"the broker at {self.public} logged:\n{self.log[-SHOWN_LOG_CHARACTERS:]}")
            rmtree(self.directory, ignore_errors=True)

    # --- what it is asked ----------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._program is not None and self._program.code is None

    @property
    def pid(self) -> int:
        """Process id; another one after a restart."""
        return self._running().pid

    @property
    def log(self) -> str:
        """Everything that it has logged since its first start, all starts in a row."""
        files = sorted(self.directory.glob("serve-*.err"))
        return "".join(file.read_text(errors="replace") for file in files)

    @property
    def printed(self) -> str:
        """What it printed at its last start: addresses, a token, lines to try."""
        return self._running().out.read_text()

    def token(self, ttl_s: float | None = 3600, /, **claims: Any) -> str:
        """
        Sign a token that it believes: with the secret in its data directory, or the one it was set.

        Args:
            ttl_s: Seconds until it expires, negative for an expired one; None for no `exp`.
            **claims: The payload; `sub` is `7` unless given.

        Example:
            broker.token(sub="7", app_id="100", channels=["conversation.100.*"])
        """
        payload = {"sub": "7", **claims}
        if ttl_s is not None:
            payload.setdefault("exp", int(time.time() + ttl_s))
        return mint(shared_secret(self.environ.get("BROKER_JWT_SECRET", ""), self.data), payload)

    def run(
        self, *words: str, environ: Mapping[str, str] | None = None, stdin: str = ""
    ) -> Program:
        """
        Start another verb beside it, with its data directory and its environment.

        Args:
            words: The verb and everything behind it.
            environ: Further variables.
            stdin: What the program reads from standard input.
        """
        return Program(
            *words,
            directory=self.directory,
            environ={"BROKER_DATA": str(self.data), **self.environ, **(environ or {})},
            stdin=stdin,
        )

    def _running(self) -> Program:
        assert self._program is not None, "it was never started"
        return self._program


@contextmanager
def serving(*flags: str) -> Iterator[BrokerProcess]:
    """Start a broker that outlives a test and its loop; end it behind all that use it."""
    broker = BrokerProcess(*flags)
    try:
        asyncio.run(broker.start())
        yield broker
    finally:
        broker.close()


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody uses at this moment."""
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(PORTS, _PORT_TRIES):
            probe = held.enter_context(closing(socket.socket()))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("no free port was found")
