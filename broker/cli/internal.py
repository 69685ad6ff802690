"""The way to a broker's internal listener, for verbs that call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit
import json
import re
import socket

from broker.cli.verbs import Refused
from broker.settings.values import ListenAddress

URL_VARIABLE = "BROKER_INTERNAL"

DEFAULT_URL = "127.0.0.1:8081"

_MAX_ANSWER_BYTES = 64 * 2**20
_VISIBLE = re.compile(r"[!-~]+", re.ASCII)


class Unreachable(Exception):
    """The listener did not answer, or cannot now; the text says why."""


class Reply(NamedTuple):
    """
    What the listener answered.

    Attributes:
        body: The body, read from JSON.
        repeated: Whether it is the answer to an earlier request with the same key.
        refusal: Why the request was refused, or empty.
    """

    body: dict[str, object]
    repeated: bool
    refusal: str

    @property
    def messages(self) -> list[dict[str, str]]:
        """What is told of each stored message."""
        rows = self.body.get("messages")
        return rows if isinstance(rows, list) else []


@dataclass(frozen=True, slots=True)
class Internal:
    """
    A broker's internal listener.

    Attributes:
        place: URL, `HOST:PORT` or `unix:PATH`.
        key: API key, or empty.
        timeout_s: Seconds that the listener may be silent.
    """

    place: str
    key: str
    timeout_s: float

    def connect(self) -> HTTPConnection:
        """
        Prepare a connection, which opens with its first request.

        Raises:
            Refused: The place or the key cannot be used.
        """
        if self.key and not _VISIBLE.fullmatch(self.key):
            raise Refused("an API key is visible ASCII characters")
        if "://" in self.place:
            return self._by_url()
        try:
            address = ListenAddress.parse(self.place)
        except ValueError as exc:
            raise Refused(f"{self.place}: {exc}") from exc
        if address.path is not None:
            return _UnixConnection(str(address.path), self.timeout_s)
        return HTTPConnection(address.host, address.port, timeout=self.timeout_s)

    def post(
        self, connection: HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        """
        Send one request.

        Raises:
            Refused: A header cannot be sent.
            Unreachable: There was no answer, or it says that it is no time for one.
        """
        sent = {name: value.encode() for name, value in headers.items()}
        if self.key:
            sent["Authorization"] = f"Bearer {self.key}".encode()
        try:
            connection.request("POST", path, body, sent)
            response = connection.getresponse()
            text = response.read(_MAX_ANSWER_BYTES)
        except (OSError, HTTPException) as exc:
            connection.close()
            raise Unreachable(f"no answer from {self.place}: {_reason(exc)}") from exc
        except ValueError as exc:
            raise Refused("a header holds a line feed or another character it cannot") from exc
        repeated = response.getheader("Idempotency-Replayed") == "true"
        members = _members(text)
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unreachable(_detail(members, response.status))
        refused = response.status != HTTPStatus.OK
        return Reply(members, repeated, _detail(members, response.status) if refused else "")

    def _by_url(self) -> HTTPConnection:
        try:
            url = urlsplit(self.place)
            host, port = url.hostname, url.port
        except ValueError as exc:
            raise Refused(f"{self.place}: {exc}") from exc
        if url.scheme not in {"http", "https"} or not host or url.path.strip("/"):
            raise Refused(f"{self.place}: not http://HOST:PORT, https://HOST:PORT or unix:PATH")
        make = HTTPSConnection if url.scheme == "https" else HTTPConnection
        return make(host, port, timeout=self.timeout_s)


class _UnixConnection(HTTPConnection):
    """A connection to a unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connecting.settimeout(self.timeout)
        try:
            connecting.connect(self._path)
        except OSError:
            connecting.close()
            raise
        self.sock = connecting


def _reason(exc: OSError | HTTPException) -> str:
    if isinstance(exc, ConnectionRefusedError | FileNotFoundError):
        return f"{exc.strerror}; does a broker run there? {URL_VARIABLE} and --url name its address"
    strerror = exc.strerror if isinstance(exc, OSError) else ""
    return strerror or str(exc) or type(exc).__name__


def _members(text: bytes) -> dict[str, object]:
    try:
        members = json.loads(text)
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def _detail(members: Mapping[str, object], status: int) -> str:
    detail = members.get("detail", "it says no more")
    nearest = members.get("nearest")
    hint = f" (nearest: {nearest})" if nearest and str(nearest) not in str(detail) else ""
    return f"{detail}{hint} ({status})"
