"""The opening handshake of a WebSocket (RFC 6455, section 4.2)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha1
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from aiohttp import HttpVersion11, hdrs, web

from broker.core.errors import BadHeader
from broker.core.frames import agreement

_ACCEPT_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16
_VERSION: Final = "13"
_EXTENSIONS: Final = hdrs.SEC_WEBSOCKET_EXTENSIONS


class UpgradeRequired(BadHeader):
    """
    The endpoint speaks WebSocket, version 13, and nothing else.

    Attributes:
        headers: What the answer must carry (RFC 9110, section 15.5.22; RFC 6455, section 4.4).
    """

    status = HTTPStatus.UPGRADE_REQUIRED
    slug = "upgrade-required"
    title = "Upgrade required"
    headers = MappingProxyType(
        {
            hdrs.UPGRADE: "websocket",
            hdrs.CONNECTION: hdrs.UPGRADE,
            hdrs.SEC_WEBSOCKET_VERSION: _VERSION,
        }
    )


def handshake(
    request: web.BaseRequest,
    *,
    subprotocols: Iterable[str] = (),
    deflates: bool = False,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """
    Check a client's handshake and return the head of the answer.

    Args:
        request: The client's request. Its origin and target are for the caller to check.
        subprotocols: What this endpoint speaks, best first; none of them is chosen if the client
            offers none of them.
        deflates: Whether compression is agreed to, where the client offers it (RFC 7692).
        headers: Further headers of the answer, from our own configuration.

    Returns:
        Status line and headers, with the empty line.

    Raises:
        UpgradeRequired: no WebSocket is asked for, or of another version.
        BadHeader: the request is no handshake as RFC 6455 has it.
    """
    _check_upgrade(request)
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept(_only(request, hdrs.SEC_WEBSOCKET_KEY))}",
    ]
    offered = _tokens(request, hdrs.SEC_WEBSOCKET_PROTOCOL)
    chosen = next((name for name in subprotocols if name in offered), None)
    if chosen is not None:
        lines.append(f"Sec-WebSocket-Protocol: {chosen}")
    agreed = agreement(",".join(request.headers.getall(_EXTENSIONS, []))) if deflates else ""
    if agreed:
        lines.append(f"{_EXTENSIONS}: {agreed}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _check_upgrade(request: web.BaseRequest) -> None:
    if "websocket" not in map(str.lower, _tokens(request, hdrs.UPGRADE)):
        raise UpgradeRequired("this is a WebSocket endpoint", field=hdrs.UPGRADE)
    if request.method != hdrs.METH_GET or request.version != HttpVersion11:
        raise BadHeader("a WebSocket handshake is a GET of HTTP/1.1", field=hdrs.UPGRADE)
    if "upgrade" not in map(str.lower, _tokens(request, hdrs.CONNECTION)):
        raise BadHeader("Connection must name Upgrade", field=hdrs.CONNECTION)
    if _only(request, hdrs.SEC_WEBSOCKET_VERSION) != _VERSION:
        raise UpgradeRequired(
            f"only version {_VERSION} of WebSocket is spoken here",
            field=hdrs.SEC_WEBSOCKET_VERSION,
            nearest=_VERSION,
        )


def accept(key: str) -> str:
    """
    Return the proof that a client's key was read.

    Raises:
        BadHeader: the key is not 16 bytes in base64.

    Source: RFC 6455, section 4.2.2, item 5.4.
    """
    try:
        nonce = b64decode(key.encode("ascii"), validate=True)
    except ValueError:
        nonce = b""
    if len(nonce) != _KEY_BYTES:
        raise BadHeader("the key must be 16 bytes in base64", field=hdrs.SEC_WEBSOCKET_KEY)
    digest = sha1(key.encode("ascii") + _ACCEPT_SUFFIX, usedforsecurity=False).digest()
    return b64encode(digest).decode("ascii")


def _only(request: web.BaseRequest, name: str) -> str:
    values = request.headers.getall(name, [])
    if len(values) != 1:
        raise BadHeader(f"{name} must be there once", field=name)
    return values[0].strip()


def _tokens(request: web.BaseRequest, name: str) -> list[str]:
    """Return the members of a list header, however many lines it has."""
    lines = request.headers.getall(name, [])
    return [token.strip() for line in lines for token in line.split(",")]
