"""Visitors of a long run: each with a token and a channel of its own, there for one message."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
import asyncio

from tests.support.broker import BrokerProcess
from tests.support.target import Target

CHANNELS = 300
"""As many channels come into being, are forgotten by the nodes, and come back."""

EVERY_S = 0.25
TOKEN_S = 120.0

MAX_FAULTS = 20


class Visitors:
    """
    Somebody who comes every so often, reads one message and goes.

    Args:
        nodes: Who comes to one has its message published on the next.
        secret: Secret of their tokens.

    Attributes:
        came: How many came.
        faults: What went wrong.
    """

    def __init__(self, nodes: Sequence[BrokerProcess], secret: str) -> None:
        self.came = 0
        self.faults: list[str] = []
        self._targets = [Target(node.public, node.internal, secret) for node in nodes]

    async def run(self) -> None:
        """Let one in after the other until cancelled."""
        for number in count():
            try:
                await self._visit(number)
            except (AssertionError, OSError, EOFError) as error:
                if len(self.faults) < MAX_FAULTS:
                    self.faults.append(f"visitor {number}: {type(error).__name__}: {error}")
            await asyncio.sleep(EVERY_S)

    async def _visit(self, number: int) -> None:
        here = self._targets[number % len(self._targets)]
        there = self._targets[(number + 1) % len(self._targets)]
        channel = f"visit.{number % CHANNELS}"
        token = here.token(TOKEN_S, sub=f"visitor-{number}")
        async with here.websocket([channel], None, token) as socket:
            await there.publish(channel, number)
            envelope = await socket.envelope()
        assert number == envelope.message, envelope
        self.came += 1
