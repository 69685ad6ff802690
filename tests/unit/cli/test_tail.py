"""`broker tail`, before it connects, and what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any
import io
import json
import logging

import jwt
import pytest

from broker.cli.main import main
from broker.cli.tail import _as_json, _as_line, _is_local, _News, _own_url, _url
from broker.client import Cursor, Message
from broker.settings import ListenAddress
from tests.support.tokens import SECRET

CURSOR = Cursor(1_447_516_314, 21)


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Have nothing followed; return what would have been: the wish, the URL and the token."""
    calls: list[Any] = []

    async def follow(wish: Any, url: str, token: Any, options: Any) -> int:
        calls.append((wish, url, token))
        return 0

    monkeypatch.setattr("broker.cli.tail._follow", follow)
    return calls


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--since", "yesterday"], "--since yesterday"),
        (["--since", "1447516314"], "1447516314-21"),
        (["--count", "0"], "--count"),
        ([], "holds no secret"),
        (["--data", "x" * 300], "File name too long; choose another directory with --data"),
        (["--url", "https://example.com"], "a token is needed for https://example.com"),
        (["--url", "https://user@example.com", "--token", "x"], "no user"),
        (["--url", "ftp://127.0.0.1", "--token", "x"], "an address is"),
    ],
)
def test_what_cannot_work_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    """With exit code 2 and what would be right, before anything is sent."""
    assert 2 == main(["tail", "news", *words])
    assert told in capsys.readouterr().err


def test_no_secret_is_made(followed: list[Any]) -> None:
    """Only a broker makes one: a token made with another would be refused."""
    assert 2 == main(["tail", "news"])
    assert not list(Path.cwd().iterdir())
    assert [] == followed


def test_a_local_broker_gets_a_token_for_just_these_channels(
    followed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names what the settings ask for, and expires."""
    monkeypatch.setenv("BROKER_JWT_SECRET", SECRET)
    monkeypatch.setenv("BROKER_JWT_AUDIENCE", "here")
    assert 0 == main(["tail", "news", "chat.1"])
    ((_, url, token),) = followed
    claims = jwt.decode(token(), SECRET, algorithms=["HS256"], audience="here")
    assert "http://127.0.0.1:8080" == url
    assert 0 < claims.pop("exp")
    assert {"sub": "tail", "aud": "here", "channels": ["news", "chat.1"]} == claims


@pytest.mark.parametrize(
    "words", [["--token", "given"], ["--token", "-"], []], ids=["option", "input", "environment"]
)
def test_a_token_that_is_given_is_used(
    followed: list[Any], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """From the option, standard input or the environment, also for a broker elsewhere."""
    monkeypatch.setattr("sys.stdin", io.StringIO("given\n"))
    monkeypatch.setenv("BROKER_TOKEN", "given" if not words else "other")
    assert 0 == main(["tail", "news", "--url", "wss://example.com", *words])
    assert ("wss://example.com", "given") == followed[0][1:]


def test_all_is_from_the_beginning(followed: list[Any]) -> None:
    """`--since` takes a cursor or `all`; without it, only what comes is shown."""
    for words in (["--since", "all"], ["--since", "1447516314-21"], []):
        assert 0 == main(["tail", "news", "--token", "x", *words])
    assert [Cursor(0, 0), CURSOR, None] == [wish.since for wish, *_ in followed]


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (ListenAddress("127.0.0.1", 8080), "http://127.0.0.1:8080"),
        (ListenAddress("0.0.0.0", 8080), "http://127.0.0.1:8080"),
        (ListenAddress("::", 8080), "http://[::1]:8080"),
        (ListenAddress("::1", 8080), "http://[::1]:8080"),
        (ListenAddress(path=Path("/run/b.sock")), "unix:/run/b.sock"),
    ],
)
def test_the_url_is_the_brokers_own(address: ListenAddress, url: str) -> None:
    """Without `--url`, it is where a broker with these settings listens."""
    assert url == _own_url(address)
    assert _is_local(url)


def test_a_url_may_be_host_and_port() -> None:
    """As settings have it; and a name that looks local is not."""
    assert "http://127.0.0.1:1" == _url("127.0.0.1:1")
    assert "unix:/a" == _url("unix:/a")
    assert "wss://a" == _url("wss://a")
    assert not _is_local("http://127.0.0.1.example.com")
    assert _is_local("http://localhost:8080")


def test_a_message_is_one_line() -> None:
    """Cursor, channel, id and the payload as compact JSON."""
    message = Message(7, "chat.1", {"a": [1, "gr\u00fc\u00dfe\n"]}, CURSOR)
    assert '1447516314-21 chat.1 7 {"a":[1,"gr\u00fc\u00dfe\\n"]}' == _as_line(message)


def test_json_is_one_object_a_line() -> None:
    """With the cursor as the text that `--since` takes."""
    message = Message(7, "chat.1", {"a": None}, CURSOR)
    told = {"id": 7, "channel": "chat.1", "message": {"a": None}, "cursor": "1447516314-21"}
    assert told == json.loads(_as_json(message))


def test_a_message_cannot_write_on_the_terminal() -> None:
    """Control and direction characters are shown as JSON escapes them, and stay the same text."""
    text = "\x1b[2J\x9b2J\x7f\u2028\u202e\u2066\ud800"
    line = _as_json(Message(1, "chat.1", text, CURSOR))
    assert line.isascii()
    assert line.isprintable()
    assert text == json.loads(line)["message"]


def test_only_news_is_told() -> None:
    """While a broker is away, each try is made alike; the first one is worth a line."""

    def line(text: str) -> logging.LogRecord:
        return logging.LogRecord("broker.client", logging.WARNING, "", 0, text, (), None)

    news = _News()
    said = ["refused; next try in 1.0 s", "refused; next try in 2.0 s", "connected", "refused"]
    assert [True, False, True, True] == [bool(news.filter(line(text))) for text in said]
