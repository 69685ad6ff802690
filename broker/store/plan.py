"""A call to publish: what `publish.lua` takes, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import ceil
from typing import Final

import orjson

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError
from broker.core.message import Stamp
from broker.core.ring import Retention
from broker.store.base import Outcome, Publication, Stored
from broker.store.checks import (
    idempotency_mismatch,
    line_feed_refusal,
    precondition_failed,
    wanted_last,
)
from broker.store.keys import Keys
from broker.store.options import StoreOptions
from broker.store.rows import stamps

_CONDITION: Final = 0
"""Stands in a step where a part has the number of its channel."""

_USUAL: Final = 3
"""Length of a part that says nothing of its own about how much is kept."""

_RECEIPT_MARGIN_S: Final = 5
"""Seconds for which a receipt outlives the deadline of its call."""

_STORED: Final = b"stored"
_REPEATED: Final = b"repeated "
_MISMATCH: Final = b"mismatch"


class Plan:
    """
    One call of `publish.lua`.

    Consecutive messages of one channel make up a part, across publications too as long as nothing
    can refuse one of them: what the script would work per message, it then works per part. How much
    is kept of a channel is what the last message that is stored says.

    Args:
        keys: Names of the tenant's keys.
        publications: What is to be stored.
        receipt: Name of this call, which no other has.
    """

    def __init__(self, keys: Keys, publications: Sequence[Publication], receipt: str) -> None:
        self._names = keys
        self._receipt = receipt
        self._publications = publications
        self._refused: dict[int, BrokerError] = {}
        self._numbers: dict[str, int] = {}
        self._retentions: dict[str, Retention] = {}
        self._steps: list[list[int | str]] = []
        self._parts: list[tuple[str, list[int]]] = []
        self._joinable = False
        self._once: list[str] = []
        self._values: list[bytes | str] = []
        for place, publication in enumerate(publications):
            refusal = line_feed_refusal(publication)
            if refusal is not None:
                self._refused[place] = refusal
            elif _is_conditional(publication):
                self._add_condition(publication)
            else:
                self._add_messages(publication)

    def keys(self) -> list[str]:
        """Return every key that the script touches."""
        names = self._names
        keys = names.of_channels(self._numbers)
        keys += [names.once + key for key in self._once]
        keys.append(names.receipts + self._receipt)
        return keys

    def arguments(self, floor: Cursor, options: StoreOptions) -> list[bytes | str]:
        """
        Return the arguments of the script.

        Args:
            floor: A cursor known to be in use.
            options: How long the store remembers what.
        """
        plan = (
            self._names.announcements,
            options.channel_ttl_s,
            options.idempotency_ttl_s,
            # No call is sent again after its deadline.
            ceil(options.timeout_s) + _RECEIPT_MARGIN_S,
            *floor,
            [(channel, *kept) for channel, kept in self._retentions.items()],
            self._steps,
            options.replicas > 0,
        )
        return [orjson.dumps(plan), *self._values]

    def outcomes(self, reply: Sequence[int | bytes]) -> list[Outcome]:
        """Return what became of each publication, by the script's answer."""
        verdicts, stored = self._read(reply)
        outcomes: list[Outcome] = []
        at = 0
        for place, publication in enumerate(self._publications):
            outcome: Outcome | None = self._refused.get(place)
            if outcome is None and _is_conditional(publication):
                outcome = _unless_stored(publication, next(verdicts))
            if outcome is None:
                past = at + len(publication.drafts)
                outcome = Stored(stored[at:past])
                at = past
            outcomes.append(outcome)
        return outcomes

    def _add_condition(self, publication: Publication) -> None:
        if publication.idempotency_key:
            self._once.append(publication.idempotency_key)
        key = len(self._once) if publication.idempotency_key else 0
        wanted = wanted_last(publication.if_match)
        condition: list[int | str] = [_CONDITION, 0, key, publication.fingerprint, wanted]
        self._steps.append(condition)
        first = len(self._steps)
        self._joinable = False
        self._add_messages(publication)
        self._joinable = False
        condition[1] = len(self._steps) - first

    def _add_messages(self, publication: Publication) -> None:
        part = self._parts[-1][1] if self._joinable else [_CONDITION, 0, 0]
        values = self._values
        for draft, retention in zip(publication.drafts, publication.retentions, strict=True):
            channel, body, event_id, event_type = draft
            number = self._numbers.get(channel) or self._new_channel(channel)
            usual = self._retentions.setdefault(channel, retention)
            wide = 1 if event_id or event_type else 0
            is_usual = retention is usual or retention == usual
            if part[0] != number or part[2] != wide or len(part) > _USUAL or not is_usual:
                own = () if is_usual else retention
                part = self._new_part(channel, [number, 0, wide, *own])
            part[1] += 1
            values.append(body)
            if wide:
                values += (event_id, event_type)
        self._joinable = self._joinable or bool(publication.drafts)

    def _new_channel(self, channel: str) -> int:
        number = self._numbers[channel] = len(self._numbers) + 1
        return number

    def _new_part(self, channel: str, part: list[int]) -> list[int]:
        self._parts.append((channel, part))
        self._steps.append(part)  # type: ignore[arg-type]  # nothing but numbers is added to it
        return part

    def _read(self, reply: Sequence[int | bytes]) -> tuple[Iterator[bytes], list[Stamp]]:
        """Return the verdicts on the conditions, and the stamps of all that was stored."""
        answers, parts = iter(reply), iter(self._parts)
        second = int(next(answers))
        verdicts: list[bytes] = []
        stored: list[Stamp] = []
        skipped = 0
        for step in self._steps:
            if step[0] == _CONDITION:
                verdicts.append(bytes(next(answers)))
                skipped = 0 if verdicts[-1] == _STORED else int(step[1])
                continue
            channel, part = next(parts)
            if skipped:
                skipped -= 1
            else:
                stored += stamps(channel, int(next(answers)), second, int(next(answers)), part[1])
        return iter(verdicts), stored


def _is_conditional(publication: Publication) -> bool:
    return bool((publication.idempotency_key or publication.if_match) and publication.drafts)


def _unless_stored(publication: Publication, verdict: bytes) -> Outcome | None:
    """Return what became of a publication that a condition kept from being stored now."""
    if verdict == _STORED:
        return None
    if verdict.startswith(_REPEATED):
        return _repeated(publication, verdict[len(_REPEATED) :])
    return idempotency_mismatch() if verdict == _MISMATCH else precondition_failed()


def _repeated(publication: Publication, text: bytes) -> Outcome:
    """Read the stamps of the first answer: its second, then count, first id and tag per part."""
    second, *numbers = map(int, text.split())
    drafts = iter(publication.drafts)
    first: list[Stamp] = []
    for count, first_id, tag in zip(*[iter(numbers)] * 3, strict=True):
        draft = next(drafts, None)
        if draft is None:
            return idempotency_mismatch()
        first += stamps(draft.channel, first_id, second, tag, count)
        next(islice(drafts, count - 1, count - 1), None)
    if len(first) != len(publication.drafts):
        return idempotency_mismatch()
    return Stored(first, repeated=True)
