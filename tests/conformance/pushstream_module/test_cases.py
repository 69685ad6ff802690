"""The differential suite: every case against the broker, or against any other server."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from itertools import count
import random

import pytest

from tests.conformance.pushstream_module import (
    cases_backtrack,
    cases_bodies,
    cases_cursor,
    cases_eventsource,
    cases_longpoll,
    cases_nchan,
    cases_paths,
    cases_publisher,
    cases_shortpoll,
    cases_speaking,
    cases_statistics,
    cases_stream,
    cases_websocket,
)
from tests.conformance.pushstream_module.case import Case, Listener
from tests.conformance.pushstream_module.play import Player
from tests.support.tokens import hmac_key

CASES: tuple[Case, ...] = (
    *cases_shortpoll.CASES,
    *cases_longpoll.CASES,
    *cases_cursor.CASES,
    *cases_stream.CASES,
    *cases_eventsource.CASES,
    *cases_websocket.CASES,
    *cases_paths.CASES,
    *cases_backtrack.CASES,
    *cases_bodies.CASES,
    *cases_publisher.CASES,
    *cases_statistics.CASES,
    *cases_nchan.CASES,
    *cases_speaking.CASES,
)

_RUN = random.randrange(10**9)
_NUMBERS = count()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(case: Case, urls: dict[Listener, str]) -> None:
    """The server answers as the case says: like the module, or better for the reason given."""
    number = next(_NUMBERS)
    names = {
        "channel": f"c{_RUN}x{number}",
        "other": f"o{_RUN}x{number}",
        "token": hmac_key().mint(sub="7"),
    }
    async with AsyncExitStack() as stack:
        await Player(urls, names, stack).play(case)


def test_cases_have_different_names() -> None:
    """A name stands for one case."""
    twice = [name for name, times in Counter(case.name for case in CASES).items() if times > 1]
    assert [] == twice


def test_cases_say_what_the_module_does() -> None:
    """Each says it in words, and where."""
    assert [] == [case.name for case in CASES if not case.module or not case.section]
