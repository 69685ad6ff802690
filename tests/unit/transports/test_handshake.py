"""The opening handshake: what is accepted, and what every other request gets."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
import pytest

from broker.core.errors import BadHeader
from broker.transports.handshake import UpgradeRequired, handshake

RFC_HEADERS = {
    hdrs.HOST: "server.example.com",
    hdrs.UPGRADE: "websocket",
    hdrs.CONNECTION: "Upgrade",
    hdrs.SEC_WEBSOCKET_KEY: "dGhlIHNhbXBsZSBub25jZQ==",
    hdrs.ORIGIN: "http://example.com",
    hdrs.SEC_WEBSOCKET_PROTOCOL: "chat, superchat",
    hdrs.SEC_WEBSOCKET_VERSION: "13",
}
"""The request of RFC 6455, section 1.3."""


def request(*more: tuple[str, str], without: str = "", method: str = "GET") -> web.Request:
    """Return the RFC's request with headers replaced, repeated or left out."""
    headers = CIMultiDict(RFC_HEADERS)
    headers.popall(without, None)
    for name, _ in more:
        headers.popall(name, None)
    for name, value in more:
        headers.add(name, value)
    return make_mocked_request(method, "/websocket/a", headers, version=HttpVersion11)


def test_answers_the_example_of_the_rfc() -> None:
    """The handshake of RFC 6455, section 1.3, gets the answer printed there, without a protocol."""
    assert (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"\r\n"
    ) == handshake(request())


def test_chooses_the_best_subprotocol_that_is_offered() -> None:
    """The endpoint's order decides, and what the client does not offer is never chosen."""
    head = handshake(request(), subprotocols=["graphql", "superchat", "chat"])

    assert b"\r\nSec-WebSocket-Protocol: superchat\r\n" in head
    assert b"Protocol:" not in handshake(request(), subprotocols=["graphql"])


def test_further_headers_are_sent() -> None:
    """Headers of the endpoint stand in the answer."""
    head = handshake(request(), headers={"Cache-Control": "no-cache"})

    assert head.endswith(b"\r\nCache-Control: no-cache\r\n\r\n")


@pytest.mark.parametrize(
    "header",
    [
        (hdrs.UPGRADE, "WebSocket"),
        (hdrs.UPGRADE, "h2c, websocket"),
        (hdrs.CONNECTION, "keep-alive, UPGRADE"),
        (hdrs.CONNECTION, "keep-alive ,upgrade,"),
        (hdrs.SEC_WEBSOCKET_VERSION, " 13 "),
    ],
)
def test_reads_lists_and_any_case(header: tuple[str, str]) -> None:
    """Upgrade and Connection are lists of words, in any case."""
    assert handshake(request(header)).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("version", ["8", "0", "12", "14", "013", "x", "13, 8", ""])
def test_other_versions_are_told_the_one_that_is_spoken(version: str) -> None:
    """A version other than 13 gets 426 and the version to come back with."""
    with pytest.raises(UpgradeRequired) as caught:
        handshake(request((hdrs.SEC_WEBSOCKET_VERSION, version)))

    assert HTTPStatus.UPGRADE_REQUIRED == caught.value.status
    assert "13" == caught.value.headers[hdrs.SEC_WEBSOCKET_VERSION]


@pytest.mark.parametrize("upgrade", ["", "h2c", "websocket2", "web socket"])
def test_requests_for_something_else_are_told_what_is_spoken(upgrade: str) -> None:
    """A request that asks for no WebSocket gets 426 and the protocol to come back with."""
    with pytest.raises(UpgradeRequired) as caught:
        handshake(request((hdrs.UPGRADE, upgrade)))

    assert "websocket" == caught.value.headers[hdrs.UPGRADE]
    assert "Upgrade" == caught.value.headers[hdrs.CONNECTION]


BAD = {
    "no connection": request(without=hdrs.CONNECTION),
    "connection without upgrade": request((hdrs.CONNECTION, "keep-alive")),
    "no key": request(without=hdrs.SEC_WEBSOCKET_KEY),
    "two keys": request(*[(hdrs.SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")] * 2),
    "short key": request((hdrs.SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZQ==")),
    "long key": request((hdrs.SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZSE=")),
    "key not in base64": request((hdrs.SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZ*==")),
    "key not in ASCII": request((hdrs.SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZ\u00e4==")),
    "no version": request(without=hdrs.SEC_WEBSOCKET_VERSION),
    "two versions": request(*[(hdrs.SEC_WEBSOCKET_VERSION, "13")] * 2),
    "HEAD": request(method="HEAD"),
    "POST": request(method="POST"),
    "HTTP/1.0": make_mocked_request("GET", "/", RFC_HEADERS, version=HttpVersion10),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_refuses_what_is_no_handshake(bad: web.Request) -> None:
    """What RFC 6455, section 4.2.1, does not let pass gets 400, with the header at fault."""
    with pytest.raises(BadHeader) as caught:
        handshake(bad)

    assert HTTPStatus.BAD_REQUEST == caught.value.status
    assert caught.value.field in RFC_HEADERS
