"""What a publisher is answered: the same however it is made."""

from __future__ import annotations

import re

import pytest

from broker.api import stored as module
from broker.api.problems import serialise
from broker.api.stored import StoredAnswers, answer_stored
from broker.core.cursor import Cursor
from broker.core.message import Stamp
from broker.store.base import Stored

ONE = Stored([Stamp("a.b", 12, Cursor(1447516314, 21))])
MANY = Stored([Stamp(f"a.{number}", number, Cursor(1447516314, number)) for number in range(40)])


def without_date(answer: bytes) -> bytes:
    """Cut out what depends on the clock."""
    return re.sub(rb"\r\nDate: [^\r]*", b"", answer)


@pytest.mark.parametrize("stored", [ONE, MANY, ONE._replace(repeated=True)])
def test_bytes_and_response_say_the_same(stored: Stored) -> None:
    """Status, headers in their order, length and body."""
    expected = serialise(answer_stored(stored))
    answers = StoredAnswers()
    for _ in range(2):
        assert without_date(expected) == without_date(answers(stored))


def test_the_date_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made once a second is made anew in the next."""
    answers = StoredAnswers()
    for now in (1447516314.2, 1447516314.9, 1447516315.1):
        monkeypatch.setattr(module, "time", lambda now=now: now)
        monkeypatch.setattr("broker.api.problems.time", lambda now=now: now)
        date = b"Date: Sat, 14 Nov 2015 15:51:%d GMT\r\n" % (54 + int(now) - 1447516314)
        assert date in answers(ONE)
