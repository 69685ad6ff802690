"""The verdict: what subscribers got, held against what publishers were told is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from broker.core.cursor import START, Cursor
from tests.chaos.account import Account, Notice

Stamps = Mapping[str, Sequence[Cursor]]
"""By channel, the cursors that the publisher was answered, in the order of its numbers."""


_NEVER = 2**62
"""Stands for how many messages came before it was missed, of one that nothing came after."""


@dataclass
class Verdict:
    """
    Faults of delivery, added up over subscribers.

    Attributes:
        messages: Deliveries.
        lost: Messages that never came, although no notice covers them.
        repeated: Messages that came again.
        reordered: Messages behind a later one of their channel, or with an older cursor.
        unsignalled: Times that a message came, and the ones before it had not and never did, and
            no notice had said so.
        told: Messages that never came, as a notice said before the next one of the channel.
        needless: Notices without a message missing.
        late: Messages whose announcement was dropped: they come out of turn, once they are missed,
            with the session's own cursor.
        strange: Messages of other channels, or never sent, or with a cursor before their own.
    """

    messages: int = 0
    lost: int = 0
    repeated: int = 0
    reordered: int = 0
    unsignalled: int = 0
    told: int = 0
    needless: int = 0
    late: int = 0
    strange: int = 0

    @property
    def is_faulty(self) -> bool:
        """Whether anything is wrong that no fault of a store or a network excuses."""
        faults = self.lost, self.repeated, self.reordered, self.unsignalled, self.strange
        return any(faults)

    def __add__(self, other: Verdict) -> Verdict:
        names = [field.name for field in fields(self)]
        return Verdict(**{name: getattr(self, name) + getattr(other, name) for name in names})


def judge(account: Account, stamps: Stamps) -> Verdict:
    """Hold one account against what was stored; only once nothing more can come."""
    verdict = Verdict(
        messages=account.messages,
        repeated=account.repeated,
        reordered=account.reordered,
        late=len(account.late),
        strange=account.strange + _misstamped(account, stamps),
    )
    useful: set[Notice] = set()
    for channel, expected in account.expected.items():
        missing = account.missing.get(channel, {})
        last = len(stamps.get(channel, ()))
        if expected > last + 1:
            verdict.strange += expected - last - 1
        tail = dict.fromkeys(range(expected, last + 1), _NEVER)
        _judge_channel(verdict, channel, missing | tail, account.notices, stamps, useful)
    verdict.needless = len(set(account.notices) - useful)
    return verdict


def _judge_channel(
    verdict: Verdict,
    channel: str,
    missing: Mapping[int, int],
    notices: Sequence[Notice],
    stamps: Stamps,
    useful: set[Notice],
) -> None:
    holes: set[int] = set()
    mine = [notice for notice in notices if notice.channel in (None, channel)]
    cursors = stamps.get(channel, ())
    for count, seen_at in missing.items():
        stored = cursors[count - 1] if count <= len(cursors) else START
        covering = [
            notice
            for notice in mine
            if notice.after <= stored < notice.first and notice.at <= seen_at
        ]
        useful.update(covering)
        if covering:
            verdict.told += 1
        else:
            verdict.lost += 1
            holes.add(seen_at)
    verdict.unsignalled += len(holes - {_NEVER})


def _misstamped(account: Account, stamps: Stamps) -> int:
    """Return how many late messages came with a cursor before their own."""
    return sum(turn.cursor < stamps[turn.channel][turn.number - 1] for turn in account.late)
