"""Fetching a key set from a real server."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import ClassVar
import socket

from blockbuster import BlockBuster
import pytest

from broker.auth import fetch as fetching
from broker.auth.fetch import fetch_url
from broker.auth.keys import MAX_KEY_FILE_BYTES, UnusableKey
from tests.support.tokens import jwks, rsa_key

KEYS = jwks([rsa_key("r")]).encode()


class Answers(BaseHTTPRequestHandler):
    """Answers by path."""

    protocol_version = "HTTP/1.1"
    stop: ClassVar[Event] = Event()

    def do_GET(self) -> None:
        if self.path == "/keys":
            self._answer(200, KEYS)
        elif self.path == "/absent":
            self._answer(404, b"secret page")
        elif self.path == "/moved":
            self._answer(302, b"", Location="/keys")
        elif self.path == "/huge":
            self._answer(200, b" " * (MAX_KEY_FILE_BYTES + 1))
        elif self.path == "/cut":
            self._answer(200, b"{", **{"Content-Length": "100"})
            self.close_connection = True
        else:
            self._drip()

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        """Send a byte now and then, without end."""
        self.send_response(200)
        self.end_headers()
        while not self.stop.wait(0.02):
            try:
                self.wfile.write(b" ")
            except OSError:
                return


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve key sets; return the address."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Answers.stop.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as serving:
        thread = Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        Answers.stop.set()
        serving.shutdown()
        thread.join(10)


async def test_a_key_set_is_fetched(server: str, no_blocking: BlockBuster) -> None:
    """Without holding up the loop."""
    assert KEYS == await fetch_url(f"{server}/keys")


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("absent", "status 404"),
        ("moved", "status 302"),
        ("huge", "larger than"),
        ("cut", "was cut off"),
        ("drip", "takes longer than"),
    ],
)
async def test_whatever_goes_wrong_has_its_reason(
    server: str, monkeypatch: pytest.MonkeyPatch, path: str, fault: str
) -> None:
    """No redirect is followed, nothing large is read, nothing slow waited for."""
    monkeypatch.setattr(fetching, "TOTAL_TIMEOUT_S", 0.2)
    with pytest.raises(UnusableKey, match=fault) as caught:
        await fetch_url(f"{server}/{path}")
    assert server not in str(caught.value)


async def test_a_server_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts and says nothing."""
    monkeypatch.setattr(fetching, "SOCKET_TIMEOUT_S", 0.1)
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(UnusableKey, match="cannot be fetched"):
        await fetch_url(f"http://127.0.0.1:{silent.getsockname()[1]}/keys")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
async def test_only_the_web_is_fetched(url: str) -> None:
    """No file of this machine."""
    with pytest.raises(UnusableKey):
        await fetch_url(url)
