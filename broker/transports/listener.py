"""Listeners: sockets with bounded buffers, and aiohttp behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
import asyncio
import errno
import socket
import stat

from aiohttp import web

from broker.settings import ListenAddress

ACCEPTS = 4
"""
Connections that are accepted in one turn of the loop.

libuv takes one for each listening descriptor and turn, and a turn of a busy node is long: those who
come back all at once would wait for as many turns as they are. A connection that comes alone costs
some 3 µs more for each further descriptor.
"""

_REASONS = {
    errno.EADDRINUSE: "another program listens there, perhaps a broker that runs already",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "this user may not",
}
"""What the system's words mean here."""

_PROBES = 4
"""Questions that a silent peer is asked before it is given up."""


class CannotListen(OSError):
    """An address cannot be listened on; the text names it and why."""


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """
    How a socket listens.

    Attributes:
        backlog: Connections that may wait to be accepted.
        send_buffer_bytes: What the kernel buffers for one connection (`SO_SNDBUF`), which
            accepted sockets inherit; 0 leaves it to the kernel.
        peer_timeout_s: Seconds after which the kernel gives a peer up that answers nothing, or
            takes nothing of what it is sent; accepted sockets inherit this too. 0 leaves it to the
            kernel.
        shared: Whether other processes listen on the same port (`SO_REUSEPORT`).
        setting: What sets the address, for whoever cannot have it.
    """

    backlog: int = 4096
    send_buffer_bytes: int = 0
    peer_timeout_s: float = 0.0
    shared: bool = False
    setting: str = ""


class HttpListener:
    """
    One application on one address.

    Args:
        server: What answers.
        address: Where; port 0 takes any free one.
        options: How.
        front: Makes the first protocol of a connection; aiohttp's own by default.
        hang_up: Closes connections of which aiohttp knows nothing.
    """

    def __init__(
        self,
        server: web.Server,
        address: ListenAddress,
        options: ListenOptions,
        front: Callable[[], asyncio.BaseProtocol] | None = None,
        hang_up: Callable[[], None] = lambda: None,
    ) -> None:
        self.address = address
        self._options = options
        self._front = front or self.aiohttp
        self.hang_up = hang_up
        self._runner = web.ServerRunner(server, handle_signals=False)
        self._aiohttp = server
        self._servers: list[asyncio.Server] = []

    async def open(self) -> None:
        """
        Listen.

        Raises:
            CannotListen: the address is taken, or not ours.
        """
        await self._runner.setup()
        listening = listen(self.address, self._options)
        loop = asyncio.get_running_loop()
        create = loop.create_server if self.address.path is None else loop.create_unix_server
        descriptors = [listening, *(listening.dup() for _ in range(ACCEPTS - 1))]
        for descriptor in descriptors:
            server = await create(self._front, sock=descriptor, backlog=self._options.backlog)
            self._servers.append(server)
        if self.address.path is None:
            self.address = ListenAddress(self.address.host, listening.getsockname()[1])

    def aiohttp(self) -> asyncio.BaseProtocol:
        """Return a new protocol of aiohttp for one connection."""
        return self._aiohttp()

    def refuse(self) -> None:
        """Accept no more connections; those that are open go on."""
        for server in self._servers:
            server.close()
        if self.address.path is not None:
            self.address.path.unlink(missing_ok=True)

    async def close(self) -> None:
        """Let requests under way end, and close every connection of aiohttp's."""
        self.refuse()
        await self._runner.cleanup()


@contextmanager
def reserve(address: ListenAddress, setting: str) -> Iterator[ListenAddress]:
    """
    Hold an address that several processes are going to share, and give it with its port.

    Args:
        address: The address.
        setting: What sets it.

    Raises:
        CannotListen: the address is taken, or not ours, or a unix socket, which has one owner.
    """
    if address.path is not None:
        raise CannotListen(f"{address} cannot be shared by workers; use a host and port")
    try:
        holding = _bound_tcp(address, ListenOptions(shared=True))
    except OSError as error:
        raise _cannot(address, error, setting) from error
    with holding:
        yield ListenAddress(address.host, holding.getsockname()[1])


def listen(address: ListenAddress, options: ListenOptions) -> socket.socket:
    """
    Open a listening socket.

    Raises:
        CannotListen: the address is taken, or not ours.
    """
    try:
        if address.path is not None:
            return _listen_unix(address.path, options)
        return _listen_tcp(address, options)
    except OSError as error:
        raise _cannot(address, error, options.setting) from error


def _cannot(address: ListenAddress, error: OSError, setting: str) -> CannotListen:
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    other = f"; choose another address with {setting}" if setting else ""
    return CannotListen(f"cannot listen on {address}: {reason}{other}")


def _listen_tcp(address: ListenAddress, options: ListenOptions) -> socket.socket:
    listening = _bound_tcp(address, options)
    try:
        listening.listen(options.backlog)
    except OSError:
        listening.close()
        raise
    return listening


def _bound_tcp(address: ListenAddress, options: ListenOptions) -> socket.socket:
    family, kind, protocol, _, target = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if options.shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if options.send_buffer_bytes:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.send_buffer_bytes)
        if options.peer_timeout_s:
            _watch_peers(bound, options.peer_timeout_s)
        bound.setblocking(False)
        bound.bind(target)
    except OSError:
        bound.close()
        raise
    return bound


def _watch_peers(listening: socket.socket, timeout_s: float) -> None:
    """
    Have the kernel notice peers whose machine has gone without a word.

    Keep-alive asks those that are silent, the user timeout gives up those that acknowledge nothing
    (RFC 5482); either alone would miss the other's case.
    """
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    interval_s = max(1, int(timeout_s / (_PROBES + 1)))
    for name, value in (
        ("TCP_KEEPIDLE", interval_s),
        ("TCP_KEEPINTVL", interval_s),
        ("TCP_KEEPCNT", _PROBES),
        ("TCP_USER_TIMEOUT", int(timeout_s * 1000)),
    ):
        option = getattr(socket, name, None)  # not every system has every one
        if option is not None:
            listening.setsockopt(socket.IPPROTO_TCP, option, value)


def _listen_unix(path: Path, options: ListenOptions) -> socket.socket:
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()  # left behind by a process that was killed
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(options.backlog)
    except OSError:
        listening.close()
        raise
    return listening
