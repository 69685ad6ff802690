"""Where a store's server is reached, and how to log in there."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Protocol
from copy import copy
from difflib import get_close_matches
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from redis.asyncio.connection import (
    Connection,
    RedisSSLContext,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.exceptions import RedisError

_COMMON: Final = frozenset({"db", "username", "password"})
_TLS: Final = frozenset(
    {
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_ciphers",
        "ssl_keyfile",
        "ssl_min_version",
        "ssl_password",
    }
)

P = TypeVar("P", bound=Protocol)
RedisConnection = Connection | UnixDomainSocketConnection


class Address:
    """
    A server of the store.

    Args:
        url: `redis://`, `rediss://` or `unix://`, with credentials, database and `ssl_…` options.

    Attributes:
        name: The address without credentials, for logs and errors.
        database: Number of the database.

    Raises:
        ValueError: `url` is none of these, or has an unknown option; its text has no credentials.
    """

    def __init__(self, url: str) -> None:
        options = _options(url)
        self._kind: type[RedisConnection] = options.pop("connection_class", Connection)
        self._options = options
        self._check_options()
        self._tls = _tls(options) if self._kind is SSLConnection else None
        self.database = int(options.get("db", 0))
        self.name = self._name()

    @property
    def credentials(self) -> tuple[str, ...]:
        """The words after AUTH; none where the server asks for no password."""
        username, password = self._options.get("username"), self._options.get("password")
        if password is None:
            return ()
        return (password,) if username is None else (username, password)

    @property
    def host(self) -> str:
        """Name or number of the machine; meaningless for a unix socket."""
        return str(self._options.get("host", "localhost"))

    def at(self, host: str, port: int) -> Address:
        """Return another server, to be reached and logged in to in the same way."""
        other = copy(self)
        other._options = {**self._options, "host": host, "port": port}  # noqa: SLF001 - our own
        other.name = other._name()  # noqa: SLF001
        return other

    async def connect(self, loop: AbstractEventLoop, protocol: P) -> P:
        """
        Connect a protocol of our own.

        Raises:
            OSError: the server cannot be reached.
        """
        if self._kind is UnixDomainSocketConnection:
            await loop.create_unix_connection(lambda: protocol, self._options["path"])
            return protocol
        host, port = self.host, self._options.get("port", 6379)
        tls = None if self._tls is None else self._tls.get()
        try:
            await loop.create_connection(lambda: protocol, host, port, ssl=tls)
        except UnicodeError:
            raise OSError(f"{host} cannot be the name of a machine") from None
        return protocol

    def _check_options(self) -> None:
        place = {"path"} if self._kind is UnixDomainSocketConnection else {"host", "port"}
        known = _COMMON | place | (_TLS if self._kind is SSLConnection else frozenset())
        for option in self._options.keys() - known:
            near = get_close_matches(option, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"the store URL has an unknown option {option!r}{hint}")
        if self._kind is UnixDomainSocketConnection and not self._options.get("path"):
            raise ValueError("the store URL must name a socket, for example unix:///run/redis.sock")

    def _name(self) -> str:
        if self._kind is UnixDomainSocketConnection:
            return f"unix://{self._options['path']}"
        scheme = "rediss" if self._kind is SSLConnection else "redis"
        host, port = self.host, self._options.get("port", 6379)
        return f"{scheme}://{bracketed(host)}:{port}/{self.database}"


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _tls(options: dict[str, Any]) -> RedisSSLContext:
    """Read the `ssl_…` options; the files that they name are read when a connection is made."""
    try:
        return SSLConnection(**options).ssl_context
    except RedisError as error:
        raise ValueError(f"the store URL: {error}") from None


def _options(url: str) -> dict[str, Any]:
    """Read a URL; what is wrong with it is told without quoting it, for it may hold a password."""
    try:
        options: dict[str, Any] = dict(parse_url(url))
        path = urlsplit(url).path.strip("/")
    except ValueError:
        raise ValueError(
            "the store URL cannot be read; is every special character in it percent-encoded?"
        ) from None
    if "path" not in options and path and not path.isdecimal():
        raise ValueError("the path of the store URL must be the number of a database")
    return options
