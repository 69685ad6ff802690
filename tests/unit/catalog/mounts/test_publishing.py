"""Mounts for publishers and statistics, as `channels.yaml` has them."""

from __future__ import annotations

import pytest

from broker.catalog import Catalog, CatalogError
from broker.core.mounts import Mount, mounts_of
from broker.core.publisher_mounts import (
    STANDARD_PUBLISHERS,
    PublisherMount,
    StatisticsMount,
)
from broker.core.rules import Pattern

CHANNELS = "channels:\n  - {name: a, subscribe: public}\n"


def read(mounts: str) -> tuple[Mount, ...]:
    """Return the mounts of a file that lists these."""
    return Catalog.parse(f"mounts:\n{mounts}{CHANNELS}").mounts


def without_place(mount: PublisherMount) -> tuple[object, ...]:
    """Return what a mount says, but for where it stands."""
    names = [name for name in PublisherMount.__dataclass_fields__ if name != "place"]
    return tuple(getattr(mount, name) for name in names)


def test_without_mounts_the_standard_ones_are_there() -> None:
    """`/pub` and `/channels-stats`; the word `standard` stands for them."""
    standard = set(STANDARD_PUBLISHERS)
    assert standard <= set(Catalog.parse(CHANNELS).mounts)
    assert standard <= set(read("  - standard\n"))
    assert not standard & set(read("  - {path: /p, mode: publisher}\n"))


def test_every_key_is_read() -> None:
    """Of publishers in either dialect."""
    keys = (
        "delete: true, store: false, info: false, backtrack: true, prefix: p., allow: ['p.{a}'],"
        " messages: 5, message_ttl: 1m, body: text, argument: ID, description: for tests"
    )
    for mode in ("publisher", "nchan_publisher"):
        [mount] = mounts_of(read(f"  - {{path: /p/, mode: {mode}, {keys}}}\n"), PublisherMount)
        assert [Pattern("p.{a}").text] == [pattern.text for pattern in mount.allow]
        wanted = PublisherMount(
            "/p",
            mode,
            description="for tests",
            argument="id",
            prefix="p.",
            allow=mount.allow,
            delete=True,
            store=False,
            messages=5,
            message_ttl_s=60,
            info=False,
            body="text",
            backtrack=True,
        )
        assert without_place(wanted) == without_place(mount)


def test_statistics_have_a_scope() -> None:
    """Of all nodes unless the mount says otherwise."""
    text = "  - {path: /one, mode: statistics, scope: node}\n  - {path: /all, mode: statistics}\n"
    told = {mount.path: mount.alone for mount in mounts_of(read(text), StatisticsMount)}
    assert {"/one": True, "/all": False} == told


@pytest.mark.parametrize(
    ("mount", "place", "words"),
    [
        ("path: /p, mode: publisher, stor: true", "2:33", "store"),
        ("path: /p, mode: publisher, store: 1", "2:40", "true or false"),
        ("path: /p, mode: publisher, body: jsno", "2:39", "json"),
        ("path: /p, mode: publisher, messages: -1", "2:43", "from 0"),
        ("path: /p, mode: publisher, message_ttl: 0s", "2:46", "1s"),
        ("path: /p, mode: publisher, scope: node", "2:33", "unknown key"),
        ("path: /p, mode: statistics, scope: nod", "2:41", "node"),
        ("path: /publish, mode: publisher", "2:12", "own API"),
        ("path: /metrics/x, mode: statistics", "2:12", "own API"),
    ],
)
def test_mistakes_are_told_with_their_place(mount: str, place: str, words: str) -> None:
    """Line and column, and what would be right."""
    with pytest.raises(CatalogError) as caught:
        read(f"  - {{{mount}}}\n")
    [problem] = caught.value.problems
    assert f"channels.yaml:{place}" == str(problem.place)
    assert words in problem.message
