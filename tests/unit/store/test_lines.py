"""The watch over an announcement connection, on a clock that jumps."""

from __future__ import annotations

from typing import cast
import asyncio

import pytest

from broker.store.announcements import AnnouncementProtocol
from broker.store.lines import watch

pytestmark = pytest.mark.jumping


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


async def watched(peer: Peer, seconds: float, timeout_s: float = 5.0) -> None:
    """Watch a peer for a while, or until it is given up."""
    watching = asyncio.create_task(watch(cast("AnnouncementProtocol", peer), timeout_s))
    await asyncio.wait([watching], timeout=seconds)
    watching.cancel()


@pytest.mark.parametrize("answer_s", [0.0, 0.001, 0.9, 4.0])
async def test_P7_a_connection_that_answers_every_ping_is_kept(answer_s: float) -> None:
    """A peer that says nothing by itself, but answers in time, is never given up."""
    peer = Peer(answer_s)
    await watched(peer, 120)
    assert not peer.lost.done(), peer.refusal
    assert peer.pings >= 20


async def test_P7_a_connection_that_answers_nothing_is_given_up() -> None:
    """A half-open connection shows within the deadline and two looks at it."""
    peer = Peer(None)
    began = asyncio.get_running_loop().time()
    await watched(peer, 120)
    assert peer.lost.done()
    assert peer.refusal == "it gave no sign of life"
    assert asyncio.get_running_loop().time() - began <= 8.1
