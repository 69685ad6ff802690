"""`broker publish` against a running node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import NamedTuple
import asyncio
import json
import sys

import pytest

from broker.cli import bulk, publish
from broker.cli.main import main
from broker.settings import ApiKey, ListenAddress, Secret
from tests.support.node import RunningNode, running_node
from tests.support.stores import free_port
from tests.support.wire import connected

CHANNELS = """\
channels:
  - {name: "chat.{id}", subscribe: public}
"""


class Said(NamedTuple):
    """
    What the command did.

    Attributes:
        code: Its exit code.
        out: What it printed.
        err: What it complained about.
    """

    code: int
    out: str
    err: str


Run = Callable[..., Awaitable[Said]]


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningNode]:
    """Run a node that the environment names."""
    async with running_node(channels=CHANNELS) as running:
        monkeypatch.setenv("BROKER_INTERNAL", running.internal)
        yield running


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs the command beside the loop."""

    async def in_thread(*words: str, stdin: bytes = b"") -> Said:
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin)))
        code = await asyncio.to_thread(main, ["publish", *words])
        return Said(code, *capsys.readouterr())

    return in_thread


async def kept(node: RunningNode, channel: str) -> list[dict[str, object]]:
    """Return what a channel holds."""
    async with connected(node.internal) as http:
        answer = await http.ask(f"/channels/{channel}/messages?limit=1000")
        rows: list[dict[str, object]] = json.loads(answer.body)["messages"]
        return rows


async def test_a_message_goes_to_its_channels(node: RunningNode, run: Run) -> None:
    """Each channel gets the message; the command prints where it stands."""
    said = await run("chat.1", "chat.2", '{"a": 1.50}', "--event-id", "é", "--event-type", "t")
    [row] = await kept(node, "chat.1")
    assert (0, "") == (said.code, said.err)
    assert ["chat.1 1 ", "chat.2 1 "] == [line[:9] for line in said.out.splitlines()]
    assert ("é", "t") == (row["event_id"], row["event_type"])


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        (("chat.1", "-"), b'{"from": "stdin"}\n', {"from": "stdin"}),
        (("chat.1", "--text", "plain text"), b"", "plain text"),
        (("chat.1", "-", "--text"), "größe\n".encode(), "größe\n"),
        (("chat.1", "-5"), b"", -5),
        (("chat.1", "--event-id", "e", "chat.2", "--json", "-5"), b"", -5),
        (("--text", "--", "chat.1", "--text"), b"", "--text"),
    ],
)
async def test_messages_come_from_anywhere(
    node: RunningNode, run: Run, words: tuple[str, ...], stdin: bytes, message: object
) -> None:
    """A message is a word, or standard input, as JSON or as text."""
    assert 0 == (await run(*words, stdin=stdin)).code
    [row] = await kept(node, "chat.1")
    assert message == row["message"]


async def test_json_is_what_the_broker_answered(node: RunningNode, run: Run) -> None:
    """With --json, programs read the broker's own answer, or its refusal."""
    said = await run("chat.1", "1", "--json")
    assert ["chat.1"] == [row["channel"] for row in json.loads(said.out)["messages"]]
    said = await run("nothing", "1", "--json")
    assert 404 == json.loads(said.out)["status"]


async def test_a_repeated_key_is_told(node: RunningNode, run: Run) -> None:
    """The same command with the same key stores once and says so."""
    words = ("chat.1", "1", "--idempotency-key", "k-1")
    first, second = await run(*words), await run(*words)
    assert second.out == first.out.replace("\n", " (stored before)\n")
    assert 1 == len(await kept(node, "chat.1"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("chats.1", "1"), 'nearest is "chat.{id}" (404)'),
        (("chat.1", "{"), "line 1, column 2 (400); --text publishes it as it is"),
        (("chat.1", "1", "--if-match", "99"), "412"),
        (("chat.1", "1", "--tenant", "a b"), "tenant"),
    ],
)
async def test_a_refusal_is_told(
    node: RunningNode, run: Run, words: tuple[str, ...], told: str
) -> None:
    """What the broker refuses ends with 1 and the broker's own words."""
    said = await run(*words)
    assert (publish.EXIT_REFUSED, "") == (said.code, said.out)
    assert told in said.err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("chat.1",),
        ("chat/1", "1"),
        ("chat.1", "1", "--ndjson", "-"),
        ("--ndjson", "no such file"),
        ("--ndjson", "-", "--event-id", "x"),
        ("--ndjson", "-", "--idempotency-key", "x" * 101),
        ("chat.1", "1", "--event-id", "a\nb"),
        ("chat.1", "1", "--key", "schlüssel"),
        ("chat.1", "1", "--url", "ftp://127.0.0.1"),
        ("chat.1", "1", "--url", "http://127.0.0.1:99999"),
        ("chat.1", "1", "--url", "127.0.0.1"),
    ],
)
async def test_wrong_usage_is_told(node: RunningNode, run: Run, words: tuple[str, ...]) -> None:
    """What cannot be sent ends with 2, before anything is sent."""
    said = await run(*words)
    assert (2, "") == (said.code, said.out)
    assert said.err.startswith("broker publish: ")


async def test_a_key_opens_the_listener(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key comes from the environment or the command line, and is never printed."""
    keys = (ApiKey("one", Secret("key-of-one"), "one"),)
    async with running_node(channels=CHANNELS, api_keys=keys) as node:
        refused = await run("chat.1", "1", "--url", node.internal, "--key", "key-of-two")
        assert publish.EXIT_REFUSED == refused.code
        assert "key-of" not in refused.err
        assert 0 == (await run("chat.1", "1", "--url", node.internal, "--key", "key-of-one")).code
        monkeypatch.setenv("BROKER_API_KEY", "key-of-one")
        address = node.internal.removeprefix("http://")
        assert 0 == (await run("chat.1", "1", "--url", address)).code


async def test_a_unix_socket_is_reached(tmp_path: Path, run: Run) -> None:
    """The listener may be a unix socket."""
    path = tmp_path / "internal.sock"
    async with running_node(channels=CHANNELS, internal=ListenAddress(path=path)):
        assert 0 == (await run("chat.1", "1", "--url", f"unix:{path}")).code


async def test_nobody_there_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that cannot be reached ends with 4; for a file, with how to go on."""
    monkeypatch.setattr(bulk, "PAUSE_S", 0.0)
    url = f"127.0.0.1:{free_port()}"
    said = await run("chat.1", "1", "--url", url)
    assert (publish.EXIT_UNREACHABLE, "") == (said.code, said.out)
    assert f"{url}: Connection refused; does a broker run there?" in said.err
    said = await run("--ndjson", "-", "--url", url, stdin=b'{"channel":"chat.1","message":1}')
    assert publish.EXIT_UNREACHABLE == said.code
    assert "--idempotency-key" in said.err


@pytest.mark.parametrize(
    "said_there",
    [b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\n<hr>", b"what?\r\n\r\n", b""],
)
async def test_no_broker_there_is_told(run: Run, said_there: bytes) -> None:
    """Something else at the address, or a broker that cannot now, ends with 4."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said_there)
        writer.close()
        await writer.wait_closed()

    port = free_port()
    async with await asyncio.start_server(answer, "127.0.0.1", port):
        said = await run("chat.1", "1", "--url", f"http://127.0.0.1:{port}/")
    assert (publish.EXIT_UNREACHABLE, "") == (said.code, said.out)
    assert said.err.startswith("broker publish: ")


async def test_no_socket_there_is_told(tmp_path: Path, run: Run) -> None:
    """A unix socket that nobody listens on ends with 4."""
    said = await run("chat.1", "1", "--url", f"unix:{tmp_path}/nobody.sock")
    assert publish.EXIT_UNREACHABLE == said.code


async def test_a_file_is_published_and_gone_on_with_p6(
    node: RunningNode, run: Run, tmp_path: Path
) -> None:
    """After a mistake in line 350 the corrected file goes on, and stores no line twice."""
    lines = [f'{{"channel":"chat.1","message":{n}}}' for n in range(450)]
    file = tmp_path / "messages.ndjson"
    file.write_text("\n".join([*lines[:349], "{}", *lines[350:]]))
    words = ("--ndjson", str(file), "--idempotency-key", "night")
    said = await run(*words)
    assert publish.EXIT_REFUSED == said.code
    assert "line 350: " in said.err
    assert "--idempotency-key night" in said.err
    assert 200 == len(await kept(node, "chat.1"))
    file.write_text("\n".join(lines))
    assert "450 messages stored, 200 of them before\n" == (await run(*words)).out
    assert list(range(450)) == [row["message"] for row in await kept(node, "chat.1")]


async def test_blank_lines_move_nothing(node: RunningNode, run: Run) -> None:
    """Blank lines are no messages, however many there are."""
    good = b'{"channel":"chat.1","message":1}\n'
    said = await run("--ndjson", "-", "--json", stdin=b"\n" * 500 + good + b" \n" * 500 + good)
    assert (0, 2) == (said.code, json.loads(said.out)["stored"])
    assert 0 == (await run("--ndjson", "-", stdin=b"")).code
