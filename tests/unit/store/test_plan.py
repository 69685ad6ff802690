"""Calls of the publish script: parts, conditions, and the way back."""

from __future__ import annotations

from typing import Any

import orjson

from broker.core.cursor import Cursor
from broker.core.errors import BadBody, IdempotencyMismatch, PreconditionFailed
from broker.core.message import Draft, Stamp
from broker.core.ring import Retention
from broker.store.base import Outcome, Publication, Stored
from broker.store.keys import Keys
from broker.store.options import StoreOptions
from broker.store.plan import Plan

KEYS = Keys("main", 3)
OPTIONS = StoreOptions(timeout_s=2.5, channel_ttl_s=600, idempotency_ttl_s=60)


def publication(*drafts: Draft, **conditions: str) -> Publication:
    """Return a publication of drafts."""
    return Publication(drafts, [Retention(9, 60)] * len(drafts), **conditions)


def steps(*publications: Publication) -> list[Any]:
    """Return the steps that the script is given."""
    arguments = Plan(KEYS, publications, "r").arguments(Cursor(5, 6), OPTIONS)
    found: list[Any] = orjson.loads(arguments[0])[-2]
    return found


def outcomes(reply: list[int | bytes], *publications: Publication) -> list[Outcome]:
    """Return what the publications became."""
    return Plan(KEYS, publications, "r").outcomes(reply)


A, B, WIDE = Draft("a", b"1"), Draft("b", b"2"), Draft("a", b"3", "e", "t")


def test_keys_share_the_tenants_hash_tag() -> None:
    """Every key of a call lies in one slot of a cluster, in the order that the script expects."""
    plan = Plan(KEYS, [publication(A, B), publication(A, idempotency_key="k")], "r")
    assert [
        "broker:{main}:clock",
        "broker:{main}:ring:a",
        "broker:{main}:channel:a",
        "broker:{main}:ring:b",
        "broker:{main}:channel:b",
        "broker:{main}:once:k",
        "broker:{main}:receipt:r",
    ] == plan.keys()


def test_arguments_are_lean() -> None:
    """Beside one plan, only the bodies, and events where there are some, are sent."""
    plan = Plan(KEYS, [publication(A, A), publication(WIDE, B)], "r")
    head, *values = plan.arguments(Cursor(5, 6), OPTIONS)
    assert [b"1", b"1", b"3", "e", "t", b"2"] == values
    assert [
        *("broker:{main}:new@3:", 600, 60, 8, 5, 6),
        [["a", 9, 60], ["b", 9, 60]],
        [[1, 2, 0], [1, 1, 1], [2, 1, 0]],
        False,
    ] == orjson.loads(head)


def test_replicas_are_told_of() -> None:
    """Where replicas are waited for, the script is told to write in any case."""
    head, *_ = Plan(KEYS, [publication(A)], "r").arguments(Cursor(5, 6), StoreOptions(replicas=1))
    assert orjson.loads(head)[-1] is True


def test_messages_of_one_channel_make_one_part() -> None:
    """Parts reach over publications, until something can refuse one of them."""
    assert [[1, 4, 0], [2, 1, 0]] == steps(publication(A, A), publication(A), publication(A, B))
    keyed = publication(A, A, idempotency_key="k", fingerprint="f")
    wanted = publication(A, if_match='W/"7"')
    assert [
        [1, 1, 0],
        *([0, 1, 1, "f", ""], [1, 2, 0]),
        *([0, 1, 0, "", "7"], [1, 1, 0]),
        [1, 2, 0],
    ] == steps(publication(A), keyed, wanted, publication(A), publication(A))


def test_another_retention_stands_with_its_part() -> None:
    """A channel has the retention named first, and each part of another one says so."""
    first, other = Retention(1, 2), Retention(3, 4)
    equal = Retention(*first)
    plan = Plan(KEYS, [Publication([A, A, A, A], [first, equal, other, first])], "r")
    head, *_ = plan.arguments(Cursor(0, 0), OPTIONS)
    assert [["a", 1, 2]] == orjson.loads(head)[6]
    assert [[1, 2, 0], [1, 1, 0, 3, 4], [1, 1, 0]] == orjson.loads(head)[7]


def test_stamps_are_dealt_out_in_order() -> None:
    """Each publication gets the stamps of its own messages, wherever the parts lie."""
    stored = outcomes([b"10", 5, 1, 9, 5], publication(A, A), publication(A), publication(A, B))
    assert [
        Stored([Stamp("a", 5, Cursor(10, 1)), Stamp("a", 6, Cursor(10, 2))]),
        Stored([Stamp("a", 7, Cursor(10, 3))]),
        Stored([Stamp("a", 8, Cursor(10, 4)), Stamp("b", 9, Cursor(10, 5))]),
    ] == stored


def test_refusals_take_no_stamps() -> None:
    """Between refused publications the stored ones keep their own stamps."""
    keyed = publication(A, B, idempotency_key="k", fingerprint="f")
    wanted = publication(A, if_match="7")
    first, refused, second, mismatch, bad, third = outcomes(
        [b"10", b"stored", 5, 1, 9, 2, b"precondition", 6, 3, b"mismatch", 7, 4],
        keyed,
        wanted,
        publication(A),
        keyed,
        publication(Draft("a", b"1\n2")),
        publication(A),
    )
    assert Stored([Stamp("a", 5, Cursor(10, 1)), Stamp("b", 9, Cursor(10, 2))]) == first
    assert isinstance(refused, PreconditionFailed)
    assert Stored([Stamp("a", 6, Cursor(10, 3))]) == second
    assert isinstance(mismatch, IdempotencyMismatch)
    assert isinstance(bad, BadBody)
    assert Stored([Stamp("a", 7, Cursor(10, 4))]) == third


def test_a_repeated_publication_has_the_first_stamps() -> None:
    """The kept answer names count, first id and tag of each part."""
    keyed = publication(A, A, B, idempotency_key="k")
    (outcome,) = outcomes([b"10", b"repeated 8 2 5 1 1 9 3"], keyed)
    stamps = [
        Stamp("a", 5, Cursor(8, 1)),
        Stamp("a", 6, Cursor(8, 2)),
        Stamp("b", 9, Cursor(8, 3)),
    ]
    assert Stored(stamps, repeated=True) == outcome


def test_a_kept_answer_of_another_size_is_a_mismatch() -> None:
    """A key without fingerprint that comes back with more or fewer messages is refused."""
    for drafts in ((A,), (A, A, A)):
        (outcome,) = outcomes(
            [b"10", b"repeated 8 1 5 1 1 9 3"], publication(*drafts, idempotency_key="k")
        )
        assert isinstance(outcome, IdempotencyMismatch)


def test_nothing_is_stored_at_once() -> None:
    """A publication without messages needs no step."""
    assert [] == steps(publication(), publication(idempotency_key="k"))
    assert [Stored([]), Stored([])] == outcomes([b"1"], publication(), publication(if_match="1"))


def test_nothing_joins_a_part_that_may_be_refused() -> None:
    """A publication without messages does not make what follows part of a conditional one."""
    keyed = publication(A, idempotency_key="k", fingerprint="f")
    empty, plain = publication(), publication(A)
    assert [[0, 1, 1, "f", ""], [1, 1, 0], [1, 1, 0]] == steps(keyed, empty, plain)
    mismatch, nothing, stored = outcomes([b"9", b"mismatch", 5, 7], keyed, empty, plain)
    assert isinstance(mismatch, IdempotencyMismatch)
    assert Stored([]) == nothing
    assert Stored([Stamp("a", 5, Cursor(9, 7))]) == stored
