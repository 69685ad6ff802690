"""Mounts on which newcomers begin with the oldest message."""

from __future__ import annotations

import json

import aiohttp

from tests.support.node import OPEN_CHANNELS, running_node

MOUNTS = """\
mounts:
  - {path: /all, mode: shortpoll, backlog: true}
  - {path: /new, mode: shortpoll}
  - {path: /events, mode: eventsource, backlog: true}
"""


async def test_who_brings_no_cursor_begins_with_the_oldest_message() -> None:
    """Again and again, until it brings one; elsewhere a newcomer begins with what comes next."""
    async with (
        running_node(channels=OPEN_CHANNELS + MOUNTS) as node,
        aiohttp.ClientSession() as http,
    ):
        for number in (1, 2):
            await http.post(f"{node.internal}/publish/a", json=number)
        first: dict[str, str] = {}
        for _ in range(2):
            async with http.get(f"{node.public}/all/a") as answer:
                envelopes = [json.loads(line) for line in (await answer.text()).splitlines()]
                assert [1, 2] == [envelope["message"] for envelope in envelopes]
                first = {name: envelopes[0][name] for name in ("tag", "time")}
        async with http.get(f"{node.public}/all/a", params=first) as answer:
            assert 2 == json.loads(await answer.text())["message"]
        async with http.get(f"{node.public}/new/a") as answer:
            assert 304 == answer.status
        async with http.get(f"{node.public}/events/a") as answer:
            told = [json.loads(await _data(answer)) for _ in range(2)]
            assert [1, 2] == [envelope["message"] for envelope in told]


async def _data(answer: aiohttp.ClientResponse) -> bytes:
    """Return the data of the next event."""
    while not (line := await answer.content.readline()).startswith(b"data: "):
        assert line, "the stream ended"
    return line.removeprefix(b"data: ")
