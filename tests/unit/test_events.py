"""Events of channels: gathered, bounded, never about themselves."""

from __future__ import annotations

from collections.abc import Sequence
import asyncio
import logging

import orjson
import pytest

from broker.core.cursor import Cursor
from broker.core.errors import Unavailable
from broker.core.message import Stamp
from broker.core.ring import Retention
from broker.events import BATCH, FLUSH_S, ChannelEvents
from broker.metrics import Counter
from broker.store.base import Publication, Stored

RETENTION = Retention(5, 60)
NOWHERE = Publication((), ())


class Told:
    """Takes what is told, in place of a publisher."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.stored = Counter()
        self.lost = Counter()
        self.publications: list[tuple[str, Publication]] = []
        self._refuses = refuses

    def submit(self, tenant: str, publication: Publication) -> asyncio.Future[Stored]:
        """Keep a publication."""
        if self._refuses:
            raise Unavailable("too many wait")
        self.publications.append((tenant, publication))
        answer = asyncio.get_running_loop().create_future()
        answer.set_result(Stored(()))
        return answer

    @property
    def events(self) -> list[tuple[str, str, str]]:
        """Tenant, type and channel of everything that was told."""
        return [
            (tenant, draft.event_type, orjson.loads(draft.body)["channel"])
            for tenant, publication in self.publications
            for draft in publication.drafts
        ]


def telling(told: Told, retention: Retention | None = RETENTION) -> ChannelEvents:
    """Return what tells in channel `happenings`."""
    loop = asyncio.get_running_loop()
    counters = {"stored": told.stored, "lost": told.lost}
    return ChannelEvents("happenings", told.submit, lambda _: retention, loop, **counters)


def stored(*ids: int, repeated: bool = False) -> asyncio.Future[Stored]:
    """Return the answer to a publish of messages with these ids."""
    answer: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
    stamps = [Stamp(f"c{number}", number, Cursor(1, number)) for number in ids]
    answer.set_result(Stored(stamps, repeated))
    return answer


async def pause(seconds: float = FLUSH_S) -> None:
    """Let gathered events be told."""
    await asyncio.sleep(seconds + 0.01)


@pytest.mark.jumping
async def test_events_are_gathered_by_tenant() -> None:
    """In their order, each of its type, kept as the channel's rule says."""
    told = Told()
    events = telling(told)
    events.subscribed("main", ["a", "b"])
    events.unsubscribed("other", ["a"])
    events.destroyed("main", ["a"])
    assert [] == told.publications
    await pause()
    assert [
        ("main", "client_subscribed", "a"),
        ("main", "client_subscribed", "b"),
        ("main", "channel_destroyed", "a"),
        ("other", "client_unsubscribed", "a"),
    ] == told.events
    kept: list[Sequence[Retention]] = [each.retentions for _, each in told.publications]
    assert [[RETENTION] * 3, [RETENTION]] == kept


@pytest.mark.jumping
async def test_the_channel_of_events_and_ping_are_left_out() -> None:
    """So nothing follows from telling."""
    told = Told()
    events = telling(told)
    events.subscribed("main", ["happenings", "ping"])
    await pause()
    assert [] == told.publications


@pytest.mark.jumping
async def test_a_first_message_creates_its_channel() -> None:
    """Later ones, repeated answers and refusals do not."""
    told = Told()
    events = telling(told)
    refused: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
    refused.set_exception(Unavailable("no"))
    for answer in (stored(1, 2), stored(2), stored(1, repeated=True), refused):
        events.accepted("main", NOWHERE, answer)
    await pause()
    assert [("main", "channel_created", "c1")] == told.events


@pytest.mark.jumping
async def test_events_that_wait_are_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Further ones are dropped, and the log says how many."""
    monkeypatch.setattr("broker.events.MAX_WAITING", BATCH + 1)
    told = Told()
    events = telling(told)
    events.subscribed("main", [f"c{number}" for number in range(BATCH + 3)])
    await pause()
    assert [BATCH, 1] == [len(each.drafts) for _, each in told.publications]
    assert "2 events of channels were lost" in caplog.text
    assert (BATCH + 1, 2) == (told.stored.value, told.lost.value)


@pytest.mark.jumping
@pytest.mark.parametrize(
    ("refuses", "retention", "words"),
    [(True, RETENTION, "too many wait"), (False, None, "no rule")],
)
async def test_what_cannot_be_told_is_logged(
    refuses: bool, retention: Retention | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A full queue or a missing rule loses events, and nothing else."""
    told = Told(refuses=refuses)
    events = telling(told, retention)
    with caplog.at_level(logging.WARNING):
        events.subscribed("main", ["a"])
        await pause()
    assert [] == told.publications
    assert words in caplog.text
    assert (0, 1) == (told.stored.value, told.lost.value)


async def test_at_the_end_what_waits_is_told() -> None:
    """A node that stops tells who left last."""
    told = Told()
    events = telling(told)
    events.unsubscribed("main", ["a"])
    events.close()
    events.close()
    assert [("main", "client_unsubscribed", "a")] == told.events
