"""The listener's watch over its connection, on a clock that jumps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
import asyncio

import pytest

from broker.core.cursor import Cursor
from broker.core.message import Message
from broker.store.address import Address
from broker.store.announcements import AnnouncementProtocol
from broker.store.base import Sink
from broker.store.commands import Commands
from broker.store.listener import RedisListener
from broker.store.options import StoreOptions

pytestmark = pytest.mark.jumping

ADDRESS = Address("redis://127.0.0.1:1")


class Deaf:
    """A sink that wants nothing."""

    def received(self, tenant: str, messages: Sequence[Message]) -> None:
        """Do nothing."""

    def ticked(self, tenant: str, cursor: Cursor) -> None:
        """Do nothing."""

    def interrupted(self) -> None:
        """Do nothing."""

    def resumed(self) -> None:
        """Do nothing."""


class Peer:
    """
    Stands for the connection: answers a ping after a while, or never.

    Args:
        answer_s: Seconds until its answer; None for none.
    """

    def __init__(self, answer_s: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer_s = answer_s
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.heard_at = self._loop.time()
        self.refusal = ""
        self.pings = 0

    def ping(self) -> None:
        """Count it, and answer."""
        self.pings += 1
        if self._answer_s is not None:
            self._loop.call_later(self._answer_s, self._hear)

    def abort(self) -> None:
        """Be gone."""
        self.lost.set_result(None)

    def _hear(self) -> None:
        self.heard_at = self._loop.time()


async def watch(peer: Peer, seconds: float, timeout_s: float = 5.0) -> None:
    """Watch a peer for a while, or until it is given up."""
    listener = RedisListener(
        ADDRESS,
        Commands(ADDRESS, timeout_s, 1),
        cast("Sink", Deaf()),
        StoreOptions(timeout_s=timeout_s),
    )
    watching = asyncio.create_task(listener._watch(cast("AnnouncementProtocol", peer)))
    await asyncio.wait([watching], timeout=seconds)
    watching.cancel()


@pytest.mark.parametrize("answer_s", [0.0, 0.001, 0.9, 4.0])
async def test_P7_a_connection_that_answers_every_ping_is_kept(answer_s: float) -> None:
    """A peer that says nothing by itself, but answers in time, is never given up."""
    peer = Peer(answer_s)
    await watch(peer, 120)
    assert not peer.lost.done(), peer.refusal
    assert peer.pings >= 20


async def test_P7_a_connection_that_answers_nothing_is_given_up() -> None:
    """A half-open connection shows within the deadline and two looks at it."""
    peer = Peer(None)
    began = asyncio.get_running_loop().time()
    await watch(peer, 120)
    assert peer.lost.done()
    assert peer.refusal == "it gave no sign of life"
    assert asyncio.get_running_loop().time() - began <= 8.1
