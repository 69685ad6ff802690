"""The list of workloads, choosing among them, and the load generator's arguments."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.campaign import arguments
from benchmarks.peers.base import Interface
from benchmarks.workloads import QUICK, WORKLOADS, Publishing, Workload, select

INTERFACE = Interface(
    pids=(41, 42),
    subscribe="127.0.0.1:1/s/{channels}",
    publish="127.0.0.1:2/p/{channel}",
    storm="127.0.0.1:1/old/{channels}",
    subscribe_headers=("Accept: a",),
    publish_headers=("Content-Type: b",),
)


def workload(**parts: object) -> Workload:
    """Return a small workload with some parts of its own."""
    fixed: dict[str, object] = {"name": "n", "title": "t", "group": "g", "figures": ()}
    return Workload(**{**fixed, **parts})  # type: ignore[arg-type]


def value(words: list[str], option: str) -> str:
    """Return what follows an option."""
    return words[words.index(option) + 1]


def test_names() -> None:
    """No two workloads have the same name, and groups stand together."""
    names = [each.name for each in WORKLOADS]
    groups = [each.group for each in WORKLOADS]
    changes = sum(a != b for a, b in itertools.pairwise(groups))

    assert len(names) == len(set(names))
    assert len(set(groups)) == changes + 1


def test_select_all() -> None:
    """Without a word, everything is chosen, at its full length."""
    assert list(WORKLOADS) == select([], quick=False)


def test_select_quick() -> None:
    """The short form takes its own few, and two seconds for each at most."""
    chosen = select([], quick=True)

    assert set(QUICK) == {each.name for each in chosen}
    assert max(each.seconds for each in chosen) <= 2


def test_select_named() -> None:
    """A word chooses what has it in its name."""
    assert {"idle-5000", "idle-10000"} == {each.name for each in select(["idle"], quick=False)}


def test_select_exactly() -> None:
    """A whole name chooses only what is called so."""
    assert ["fanout-1000-100"] == [each.name for each in select(["fanout-1000-100"], quick=False)]


def test_select_unknown() -> None:
    """A word in no name is refused, with the names that there are."""
    with pytest.raises(LookupError, match="fanout-1000-20"):
        select(["fanuot"], quick=False)


def test_arguments_publishing() -> None:
    """Rates, connections and headers of publishers reach the load generator."""
    publishing = Publishing(rate=100, publishers=3, depth=4, batch=5, window=6, messages=7)
    words = arguments(workload(publishing=publishing, warmup_s=0.5, seconds=2), INTERFACE)

    assert "127.0.0.1:2/p/{channel}" == value(words, "--publish")
    assert ["100", "3", "4", "5", "6", "7"] == [
        value(words, option)
        for option in ("--rate", "--publishers", "--depth", "--batch", "--window", "--messages")
    ]
    assert ["0.5", "2"] == [value(words, "--warmup"), value(words, "--seconds")]
    assert "Content-Type: b" == value(words, "--publish-header")
    assert "--idle" not in words


def test_arguments_quiet() -> None:
    """Where nothing is published, the measured time is one of quiet."""
    words = arguments(workload(subscribers=9, seconds=3), INTERFACE)

    assert "3" == value(words, "--idle")
    assert "9" == value(words, "--subscribers")
    assert "--publish" not in words


def test_arguments_servers() -> None:
    """Every process of the server is named."""
    words = arguments(workload(), INTERFACE)

    assert ["41", "42"] == [b for a, b in itertools.pairwise(words) if a == "--server"]


@pytest.mark.parametrize("pinned", [True, False])
def test_arguments_pinned(pinned: bool) -> None:
    """The generator spins only on a CPU of its own."""
    words = arguments(workload(pinned=pinned), INTERFACE)

    assert pinned == ("--spin" in words) == ("--cpu" in words)


def test_arguments_storm() -> None:
    """Only a workload with a storm brings one."""
    assert "--storm" not in arguments(workload(), INTERFACE)
    assert "8" == value(arguments(workload(storm=8), INTERFACE), "--storm-subscribers")
