"""
One case of the differential suite: what is asked, what is expected, what the module answers.

In targets, bodies, headers and expectations `{channel}` stands for a name that no other case has,
`{other}` for a second one, and for the cursor of the last answer that had one `{tag}`,
`{date}`, `{time}` (the date percent-encoded) and `{seconds}`. `{token}` is a token that the broker
believes; the module ignores it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Literal, NamedTuple, Protocol
import json
import re

from tests.support.wire import Answer

Listener = Literal["internal", "public"]
"""Where a request goes; a module behind one address has both there."""

Body = bytes | re.Pattern[bytes] | Callable[[bytes], bool]
"""What a body must be: these bytes, or what fits the expression, or what the function accepts."""

Header = str | re.Pattern[str] | None
"""What a header must be: this text, or what fits the expression; None where it must be absent."""


class Expect(NamedTuple):
    """
    What an answer must be.

    Attributes:
        status: Its status.
        headers: Those that matter.
        body: Its body, where it matters.
    """

    status: int = 200
    headers: Mapping[str, Header] = {}
    body: Body | None = None


class Ask(NamedTuple):
    """
    One request; those of one case and listener share a connection, one after the other.

    Attributes:
        method: Its method.
        target: Path and query.
        expect: The answer.
        body: Its body, sent with its length; None for none.
        headers: Further headers.
        listener: Where it goes.
    """

    method: str
    target: str
    expect: Expect = Expect()
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    listener: Listener = "internal"


class Raw(NamedTuple):
    """
    Bytes as they are, on the connection that the case's requests share, and one answer.

    Attributes:
        data: What is sent; `{host}` stands for the server's.
        expect: The answer.
        listener: Where it goes.
    """

    data: bytes
    expect: Expect = Expect()
    listener: Listener = "internal"


class Listen(NamedTuple):
    """
    A WebSocket that is opened, and stays until the case is over.

    Attributes:
        target: Path and query.
    """

    target: str = "/websocket/{channel}"


class Say(NamedTuple):
    """
    A text frame on the case's last WebSocket.

    Attributes:
        text: What is said.
    """

    text: bytes


class Hear(NamedTuple):
    """
    The next text frame on the case's last WebSocket.

    Attributes:
        text: What it must be.
    """

    text: Body


class Player(Protocol):
    """Who plays a case; see `play`."""

    names: dict[str, str]
    stack: AsyncExitStack
    urls: dict[Listener, str]

    def compare(self, expect: Expect, answer: Answer) -> None:
        """Compare an answer to what it must be."""

    def compare_body(self, wanted: Body, found: bytes) -> None:
        """Compare a body to what it must be."""

    def text(self, text: str) -> str:
        """Return a text with the names put in."""

    def bytes(self, text: bytes) -> bytes:
        """Return bytes with the names put in."""


class Deed(Protocol):
    """A step that knows how it is done; those of streams are in `streams`."""

    async def play(self, player: Player) -> None:
        """Do it, and compare."""


Step = Ask | Raw | Listen | Say | Hear | Deed
"""What a case is made of."""


class Case(NamedTuple):
    """
    One case.

    Attributes:
        name: Words with dashes, no case has the same.
        section: Where `push-stream.md` says what the module does.
        steps: What is done, in order.
        module: What the module does, in words.
        differs: Why this broker does otherwise; empty where it does not.
    """

    name: str
    section: str
    steps: tuple[Step, ...]
    module: str
    differs: str = ""


def get(target: str, expect: Expect = Expect(), **headers: str) -> Ask:  # noqa: B008 - immutable
    """Return a GET of the internal listener; underscores in names of headers stand for dashes."""
    return Ask("GET", target, expect, headers=_headers(headers))


def post(target: str, body: bytes, expect: Expect = Expect(), **headers: str) -> Ask:  # noqa: B008 - immutable
    """Return a POST of the internal listener; see `get`."""
    return Ask("POST", target, expect, body, _headers(headers))


def json_has(**members: object) -> Callable[[bytes], bool]:
    """Accept a JSON object with these members, whatever else it holds."""

    def accept(body: bytes) -> bool:
        told = json.loads(body)
        return all(told.get(name) == value for name, value in members.items())

    return accept


def message_is(message: object) -> Callable[[bytes], bool]:
    """Accept lines of envelopes of which the last carries this message."""

    def accept(body: bytes) -> bool:
        last = body.rstrip(b"\n").rsplit(b"\n", 1)[-1]
        return bool(json.loads(last)["message"] == message)

    return accept


def _headers(named: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in named.items()}
