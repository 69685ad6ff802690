"""The account and the verdict: every fault of delivery is seen, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.cursor import Cursor
from tests.chaos.account import Account
from tests.chaos.verdict import Verdict, judge


class Sent(NamedTuple):
    """A message as its publisher sent it, and where it was stored."""

    channel: str
    number: int
    turn: int
    cursor: Cursor
    publisher: int = 0

    @property
    def message(self) -> dict[str, Any]:
        """What it carries."""
        return {
            "channel": self.channel,
            "count": self.number,
            "publisher": self.publisher,
            "turn": self.turn,
            "sent": 0.0,
        }


def press(names: str) -> list[Sent]:
    """Send one message to each channel that is named, in this order."""
    return [
        Sent(name, names[: at + 1].count(name), at + 1, Cursor(1, at + 1))
        for at, name in enumerate(names)
    ]


def stamps(sent: Iterable[Sent]) -> dict[str, list[Cursor]]:
    """Return what the publisher was answered."""
    answered: dict[str, list[Cursor]] = {}
    for each in sent:
        answered.setdefault(each.channel, []).append(each.cursor)
    return answered


def take(account: Account, each: Sent, cursor: Cursor | None = None) -> None:
    """Have a message come."""
    account.take(each.channel, each.message, cursor or each.cursor, 1.0)


def faults(account: Account, sent: Iterable[Sent]) -> dict[str, int]:
    """Return what the verdict finds, zeros and the count of messages left out."""
    verdict = asdict(judge(account, stamps(sent)))
    del verdict["messages"]
    return {name: count for name, count in verdict.items() if count}


@given(st.text("ab", max_size=30))
def test_all_in_order_is_no_fault(names: str) -> None:
    """Who gets everything once, in order, has nothing to complain about."""
    sent, account = press(names), Account("ab")
    for each in sent:
        take(account, each)
    assert {} == faults(account, sent)
    assert len(names) == account.messages


@given(st.text("ab", min_size=2, max_size=30), st.data())
def test_a_message_left_out_is_lost(names: str, data: st.DataObject) -> None:
    """A message that never comes is lost; unsignalled too, if a later one of its channel came."""
    sent, account = press(names), Account("ab")
    lost = data.draw(st.sampled_from(sent))
    for each in sent:
        if each != lost:
            take(account, each)
    found = faults(account, sent)
    is_followed = lost.number < names.count(lost.channel)
    assert 1 == found.pop("lost")
    assert ({"unsignalled": 1} if is_followed else {}) == found


@given(st.text("ab", min_size=1, max_size=30), st.data())
def test_a_message_that_comes_again_is_repeated(names: str, data: st.DataObject) -> None:
    """A message that comes again, at once or later, is repeated."""
    sent, account = press(names), Account("ab")
    again = data.draw(st.integers(0, len(sent) - 1))
    later = data.draw(st.integers(again, len(sent) - 1))
    for at, each in enumerate(sent):
        take(account, each)
        if at == later:
            take(account, sent[again])
    assert {"repeated": 1} == faults(account, sent)


def test_two_messages_that_change_places_are_reordered() -> None:
    """In one channel no order but that of sending is right."""
    sent, account = press("aaa"), Account("a")
    for at in (0, 2, 1):
        take(account, sent[at])
    assert faults(account, sent)["reordered"] >= 1


def test_an_older_cursor_is_reordered() -> None:
    """Among channels too, a message with a cursor before the subscriber's is out of order."""
    sent, account = press("ab"), Account("ab")
    take(account, sent[1])
    take(account, sent[0])
    assert {"reordered": 1} == faults(account, sent)


def test_P4_a_cursor_that_ran_ahead_shows() -> None:
    """A message that follows a ping with a later cursor is out of order."""
    sent, account = press("aa"), Account("a")
    take(account, sent[0])
    account.adopt(Cursor(1, 9))
    take(account, sent[1])
    assert {"reordered": 1} == faults(account, sent)


def test_P7_a_late_message_with_the_sessions_own_cursor_is_late() -> None:
    """Out of turn among channels, with the session's cursor or a later one: late, not reordered."""
    sent, account = press("abab"), Account("ab")
    take(account, sent[1])
    take(account, sent[0], Cursor(1, 2))
    take(account, sent[2])
    take(account, sent[3])
    assert {"late": 1} == faults(account, sent)


def test_a_late_message_with_a_cursor_before_its_own_is_strange() -> None:
    """Restamped to before its own place, a message would come again after a reconnect."""
    sent = [*press("b"), Sent("a", 1, 2, Cursor(9, 9))]
    account = Account("ab")
    take(account, sent[0])
    take(account, sent[1], Cursor(1, 1))
    assert {"late": 1, "strange": 1} == faults(account, sent)


def test_messages_of_other_channels_or_never_sent_are_strange() -> None:
    """What was not asked for, was sent elsewhere, or never was sent is strange."""
    sent, account = press("aab"), Account("a")
    take(account, sent[2])
    account.take("a", sent[2].message, Cursor(1, 3), 1.0)
    take(account, sent[0])
    take(account, sent[1])
    take(account, Sent("a", 3, 9, Cursor(2, 1)))
    assert {"strange": 3} == faults(account, sent)


@pytest.mark.parametrize("channel", ["a", None])
def test_P3_what_a_notice_covers_is_told(channel: str | None) -> None:
    """Messages between a notice's cursors are told, if it came before what follows them."""
    sent, account = press("aaaa"), Account("a")
    take(account, sent[0])
    account.told(channel, Cursor(1, 4))
    take(account, sent[3])
    assert {"told": 2} == faults(account, sent)


def test_P3_a_notice_behind_the_gap_does_not_count() -> None:
    """A notice must come before the first message behind the gap."""
    sent, account = press("aaa"), Account("a")
    take(account, sent[0])
    take(account, sent[2])
    account.told("a", Cursor(1, 3))
    assert {"lost": 1, "unsignalled": 1, "needless": 1} == faults(account, sent)


@pytest.mark.parametrize(("channel", "first"), [("b", Cursor(1, 3)), ("a", Cursor(1, 2))])
def test_P3_a_notice_of_something_else_does_not_count(channel: str, first: Cursor) -> None:
    """A notice of another channel, or of less than what is missing, covers nothing."""
    sent, account = press("aaa"), Account("ab")
    take(account, sent[0])
    account.told(channel, first)
    take(account, sent[2])
    assert {"lost": 1, "unsignalled": 1, "needless": 1} == faults(account, sent)


def test_a_notice_without_anything_missing_is_needless() -> None:
    """Whoever missed nothing must not be told of a gap."""
    sent, account = press("aa"), Account("a")
    take(account, sent[0])
    account.told("a", Cursor(1, 2))
    take(account, sent[1])
    assert {"needless": 1} == faults(account, sent)


def test_publishers_do_not_disturb_one_another() -> None:
    """The order of one publisher says nothing about that of another."""
    mine, account = press("aaa"), Account("ab")
    others = [Sent("b", number, number, Cursor(2, number), 1) for number in range(1, 4)]
    sent = [*mine, *others]
    for each in sent:
        take(account, each)
    assert {} == faults(account, sent)


def test_verdicts_add_up() -> None:
    """The verdict on a crowd is the sum of all."""
    assert Verdict(lost=3, late=1) == Verdict(lost=1) + Verdict(lost=2, late=1)
    assert Verdict(lost=1).is_faulty
    assert not Verdict(late=1, told=1, needless=1).is_faulty
