"""Reading the URLs of stores that are several servers."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from broker.store.address import Address, bracketed

SENTINEL_SCHEMES: Final = ("redis+sentinel://", "rediss+sentinel://")
CLUSTER_SCHEMES: Final = ("redis+cluster://", "rediss+cluster://")

_SENTINEL_PORT: Final = 26_379
_CLUSTER_PORT: Final = 6379
_SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")
_UNREADABLE: Final = (
    "the store URL cannot be read; is every special character in it percent-encoded?"
)


class _Url(NamedTuple):
    """The parts of `scheme+kind://login@host:port,host:port/path?query`."""

    scheme: str
    login: str
    hosts: list[tuple[str, int]]
    path: list[str]
    query: list[tuple[str, str]]

    @classmethod
    def read(cls, url: str, default_port: int) -> _Url:
        scheme, _, rest = url.partition("://")
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        login, at, hosts = authority.rpartition("@")
        if "@" in path or "#" in rest:
            raise ValueError(_UNREADABLE)
        return cls(
            scheme.partition("+")[0],
            login + at,
            [_place(host, default_port) for host in hosts.split(",")],
            [unquote(part) for part in path.split("/") if part],
            parse_qsl(query, keep_blank_values=True),
        )

    def addresses(self, login: str, path: str, query: Sequence[tuple[str, str]]) -> list[Address]:
        """Return every host as a server, all reached in the same way."""
        tail = f"/{path}" + (f"?{urlencode(query)}" if query else "")
        first = Address(f"{self.scheme}://{login}server{tail}")
        return [first.at(host, port) for host, port in self.hosts]

    def name(self, kind: str) -> str:
        hosts = ",".join(f"{bracketed(host)}:{port}" for host, port in self.hosts)
        path = "".join(f"/{part}" for part in self.path)
        return f"{self.scheme}+{kind}://{hosts}{path}"


class SentinelSeeds(NamedTuple):
    """
    What the URL of a store behind sentinels says.

    Attributes:
        name: The URL without credentials and options.
        sentinels: Where the sentinels are.
        server: A server as the sentinels' masters are to be reached; its place means nothing.
        service: Name under which the sentinels know the master.
    """

    name: str
    sentinels: list[Address]
    server: Address
    service: str

    @classmethod
    def read(cls, url: str) -> SentinelSeeds:
        """
        Read `redis+sentinel://[user:password@]host[:port][,…]/service[/database][?options]`.

        User, password, database and options are those of the servers. The sentinels have
        `sentinel_username` and `sentinel_password`, and share the `ssl_…` options.

        Raises:
            ValueError: it is none; the text has no credentials.
        """
        parts = _Url.read(url, _SENTINEL_PORT)
        if not 1 <= len(parts.path) <= 2:  # noqa: PLR2004 - service and database
            raise ValueError(
                "the store URL must name the sentinels' service, and may name a database: "
                "redis+sentinel://host:26379/service/0"
            )
        service, database = parts.path[0], parts.path[1] if len(parts.path) > 1 else "0"
        own = {key: value for key, value in parts.query if key.startswith("sentinel_")}
        _check_known(own)
        rest = [(key, value) for key, value in parts.query if key not in own]
        tls = [(key, value) for key, value in rest if key.startswith("ssl_")]
        server = parts.addresses(parts.login, database, rest)[0]
        return cls(parts.name("sentinel"), parts.addresses(_login(own), "", tls), server, service)


class ClusterSeeds(NamedTuple):
    """
    What the URL of a cluster says.

    Attributes:
        name: The URL without credentials and options.
        servers: Some of its servers.
    """

    name: str
    servers: list[Address]

    @classmethod
    def read(cls, url: str) -> ClusterSeeds:
        """
        Read `redis+cluster://[user:password@]host[:port][,…][?options]`.

        Raises:
            ValueError: it is none; the text has no credentials.
        """
        parts = _Url.read(url, _CLUSTER_PORT)
        servers = parts.addresses(parts.login, "/".join(parts.path), parts.query)
        if servers[0].database:
            raise ValueError("a cluster has no database but 0")
        return cls(parts.name("cluster"), servers)


def _place(text: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_UNREADABLE) from None
    if not host:
        raise ValueError("the store URL must name a host, or several separated by commas")
    return host, port or default_port


def _login(options: dict[str, str]) -> str:
    username, password = (options.get(key, "") for key in _SENTINEL_OPTIONS)
    return f"{quote(username, safe='')}:{quote(password, safe='')}@" if options else ""


def _check_known(options: dict[str, str]) -> None:
    for option in options.keys() - set(_SENTINEL_OPTIONS):
        near = get_close_matches(option, _SENTINEL_OPTIONS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"the store URL has an unknown option {option!r}{hint}")
