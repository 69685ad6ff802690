"""Plays a case against a server, wherever it runs."""

from __future__ import annotations

from contextlib import AsyncExitStack
from urllib.parse import quote
import re

from broker.core.cursor import parse_time
from tests.conformance.pushstream_module.case import (
    Ask,
    Body,
    Case,
    Expect,
    Header,
    Hear,
    Listen,
    Listener,
    Raw,
    Say,
)
from tests.support.frames import TEXT
from tests.support.subscribers import WebSocket, websocket
from tests.support.wire import Answer, Http, connected


class Player:
    """
    Plays the steps of one case.

    Args:
        urls: Where the listeners are.
        names: What stands for the names in braces.
        stack: Closes what was opened.

    Attributes:
        urls: The same.
        names: The same, and the cursor of the last answer: `{tag}`, `{date}`, `{time}`
            (the date percent-encoded) and `{seconds}`.
        stack: The same.
    """

    def __init__(
        self, urls: dict[Listener, str], names: dict[str, str], stack: AsyncExitStack
    ) -> None:
        self.urls = urls
        self.names = names
        self.stack = stack
        self._connections: dict[Listener, Http] = {}
        self._sockets: list[WebSocket] = []

    async def play(self, case: Case) -> None:
        """Do every step, and compare."""
        for step in case.steps:
            if isinstance(step, Ask):
                answer = await self._ask(step)
                self.compare(step.expect, answer)
                self._remember(answer)
            elif isinstance(step, Raw):
                http = await self._connection(step.listener)
                await http.send_bytes(self.bytes(step.data).replace(b"{host}", http.host.encode()))
                self.compare(step.expect, await http.answer())
            elif isinstance(step, Listen):
                opening = websocket(self.urls["public"], self.text(step.target))
                self._sockets.append(await self.stack.enter_async_context(opening))
            elif isinstance(step, Hear):
                self.compare_body(step.text, await self._sockets[-1].text())
            elif isinstance(step, Say):
                await self._sockets[-1].send(TEXT, self.bytes(step.text))
            else:
                await step.play(self)

    def _remember(self, answer: Answer) -> None:
        """Keep the cursor of an answer for the next request."""
        if "ETag" in answer.headers:
            self.names["tag"] = answer.headers["ETag"].removeprefix("W/")
            self.names["date"] = answer.headers.get("Last-Modified", "")
            self.names["time"] = quote(self.names["date"])
            self.names["seconds"] = str(parse_time(self.names["date"]))

    async def _ask(self, step: Ask) -> Answer:
        http = await self._connection(step.listener)
        headers = {name: self.text(value) for name, value in step.headers.items()}
        body = None if step.body is None else self.bytes(step.body)
        return await http.ask(self.text(step.target), headers, method=step.method, body=body)

    async def _connection(self, listener: Listener) -> Http:
        http = self._connections.get(listener)
        if http is None:
            opening = connected(self.urls[listener])
            http = self._connections[listener] = await self.stack.enter_async_context(opening)
        return http

    def compare(self, expect: Expect, answer: Answer) -> None:
        """Compare an answer to what it must be."""
        assert expect.status == answer.status, (expect, answer)
        for name, wanted in expect.headers.items():
            self._compare_header(name, wanted, answer)
        if expect.body is not None:
            self.compare_body(expect.body, answer.body)

    def _compare_header(self, name: str, wanted: Header, answer: Answer) -> None:
        found = answer.headers.get(name)
        if isinstance(wanted, re.Pattern):
            assert found is not None, (name, answer)
            assert wanted.fullmatch(found), (name, found)
        else:
            assert (None if wanted is None else self.text(wanted)) == found, (name, answer)

    def compare_body(self, wanted: Body, found: bytes) -> None:
        """Compare a body to what it must be."""
        if isinstance(wanted, bytes):
            assert self.bytes(wanted) == found
        elif isinstance(wanted, re.Pattern):
            filled = re.compile(self.bytes(wanted.pattern), wanted.flags)
            assert filled.fullmatch(found), found
        else:
            assert wanted(found), found

    def text(self, text: str) -> str:
        """Return a text with the names put in."""
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def bytes(self, text: bytes) -> bytes:
        """Return bytes with the names put in."""
        for name, value in self.names.items():
            text = text.replace(b"{%b}" % name.encode(), value.encode())
        return text
