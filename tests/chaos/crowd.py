"""The crowd: a process full of subscribers over all transports. `python -m tests.chaos.crowd`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from random import Random
from typing import Any
import asyncio
import functools
import operator

import uvloop

from broker.core.cursor import Cursor
from tests.chaos.aide import serve
from tests.chaos.scene import Node, Scene, percentile
from tests.chaos.subscribers.base import PING_CHANNEL, Subscriber
from tests.chaos.subscribers.eventstream import EventStreamSubscriber
from tests.chaos.subscribers.polls import LongPollSubscriber, ShortPollSubscriber
from tests.chaos.subscribers.stream import StreamSubscriber
from tests.chaos.subscribers.websocket import WebSocketSubscriber
from tests.chaos.verdict import Verdict, judge
from tests.support.waiting import eventually

KINDS: dict[str, type[Subscriber]] = {
    "websocket": WebSocketSubscriber,
    "eventsource": EventStreamSubscriber,
    "stream": StreamSubscriber,
    "longpoll": LongPollSubscriber,
    "shortpoll": ShortPollSubscriber,
}

ARRIVE_S = 30.0
"""Time in which everybody must be attached at first."""

WATCH_S = 1.0

MOST_CHANNELS = 4

ARRIVALS_PER_S = 500


class Crowd:
    """Subscribers, and what can be asked of them."""

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []
        self._watching: asyncio.Task[None] | None = None
        self._scene: Scene | None = None

    @property
    def scene(self) -> Scene:
        """What they share."""
        assert self._scene is not None, "there is no plan yet"
        return self._scene

    async def plan(self, plan: dict[str, Any]) -> None:
        """
        Make the subscribers.

        Args:
            plan: `nodes` as host and port; `token`; `seed`; `channels` that are busy and `quiet`
                ones; `crowd`, how many there are by transport.
        """
        random = Random(plan["seed"])
        nodes = [Node(*node) for node in plan["nodes"]]
        scene = self._scene = Scene(nodes, plan["token"], random)
        kinds = [KINDS[name] for name, count in plan["crowd"].items() for _ in range(count)]
        for number, kind in enumerate(kinds):
            names = choose(plan["channels"], plan["quiet"], random)
            self._subscribers.append(kind(number, names, scene))
        self._watching = scene.loop.create_task(self._watch())

    async def arrive(self, _: dict[str, Any]) -> None:
        """Have everybody attach; return once all are."""
        for number, subscriber in enumerate(self._subscribers):
            subscriber.start(number / ARRIVALS_PER_S)
        await eventually(self._all_attached, ARRIVE_S, what="everybody is attached")

    async def mark(self, details: dict[str, Any]) -> None:
        """Take note that a fault was lifted, at `at`."""
        self.scene.mark(details["at"])

    async def healed(self, details: dict[str, Any]) -> int:
        """Wait until everybody has healed since the last mark, or `deadline_s`; return how many."""
        mark = self.scene.marks[-1]
        await _within(details["deadline_s"], lambda: len(mark.healed) >= len(self._subscribers))
        return len(mark.healed)

    async def leave(self, details: dict[str, Any]) -> int:
        """Have a `share` cut their connections and come back after `away_s`; return how many."""
        some = self._some(details["share"])
        for subscriber in some:
            subscriber.leave(details["away_s"] * self.scene.random.uniform(0.5, 1.0))
        return len(some)

    async def abandon(self, details: dict[str, Any]) -> int:
        """Have a `share` connect anew and leave the old connection open; return how many."""
        some = self._some(details["share"])
        for subscriber in some:
            subscriber.abandon()
        return len(some)

    async def tally(self, _: dict[str, Any]) -> dict[str, int]:
        """Return how often what happened so far."""
        return dict(self.scene.tally)

    async def finish(self, details: dict[str, Any]) -> dict[str, Any]:
        """
        Wait until everybody has everything, leave, and report.

        Args:
            details: `stamps`, by channel the cursors of what is stored; `deadline_s`.
        """
        stamps = {
            channel: [Cursor(*pair) for pair in pairs]
            for channel, pairs in details["stamps"].items()
        }
        await _within(details["deadline_s"], lambda: self._all_have(stamps))
        self.scene.closing = True
        for subscriber in self._subscribers:
            subscriber.close()
        return self._report(stamps)

    def _report(self, stamps: dict[str, list[Cursor]]) -> dict[str, Any]:
        scene, everybody = self.scene, self._subscribers
        accounts = [subscriber.account for subscriber in everybody]
        total = functools.reduce(
            operator.add, (judge(account, stamps) for account in accounts), Verdict()
        )
        delays = [turn.delay_s for account in accounts for turn in account.late]
        faulty = [each for each in everybody if judge(each.account, stamps).is_faulty]
        return {
            "verdict": asdict(total),
            "stalls_s": [subscriber.longest_stall_s for subscriber in everybody],
            "heal_s": [list(mark.healed) for mark in scene.marks],
            "unhealed": sum(len(everybody) - len(mark.healed) for mark in scene.marks),
            "latency_p50_s": percentile(scene.latencies_s, 0.5),
            "latency_p99_s": percentile(scene.latencies_s, 0.99),
            "late_max_s": max(delays, default=0.0),
            "tally": dict(scene.tally),
            "faults": scene.faults[:5],
            "arrivals": scene.arrivals,
            "examples": [_example(subscriber, stamps) for subscriber in faulty[:5]],
        }

    def _some(self, share: float) -> Sequence[Subscriber]:
        # Whoever has heard nothing yet has no cursor, and would come back as a newcomer.
        some = [each for each in self._subscribers if each.cursor is not None]
        count = min(len(some), round(share * len(self._subscribers)))
        return self.scene.random.sample(some, count)

    def _all_attached(self) -> bool:
        return all(subscriber.is_attached for subscriber in self._subscribers)

    def _all_have(self, stamps: dict[str, list[Cursor]]) -> bool:
        return all(
            expected > len(stamps.get(channel, ()))
            for subscriber in self._subscribers
            for channel, expected in subscriber.account.expected.items()
        )

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            now = self.scene.loop.time()
            for subscriber in self._subscribers:
                subscriber.watch(now)


def choose(busy: Sequence[str], quiet: Sequence[str], random: Random) -> list[str]:
    """Return a channel list: one to four busy ones, now and then a quiet one, often `ping`."""
    names = random.sample(busy, random.randint(1, MOST_CHANNELS))
    if quiet and random.random() < 0.2:
        names.append(random.choice(quiet))
    if random.random() < 0.5:
        names.append(PING_CHANNEL)
    random.shuffle(names)
    return names


async def _within(deadline_s: float, condition: Callable[[], bool]) -> None:
    """Wait for a condition, or until it is too late for it."""
    with suppress(AssertionError):
        await eventually(condition, deadline_s)


def _example(subscriber: Subscriber, stamps: dict[str, list[Cursor]]) -> dict[str, Any]:
    account = subscriber.account
    return {
        "number": subscriber.number,
        "mode": subscriber.mode,
        "names": subscriber.names,
        "cursor": str(account.cursor),
        "verdict": asdict(judge(account, stamps)),
        "missing": {
            channel: [
                (count, str(stamps[channel][count - 1]), seen_at)
                for count, seen_at in list(missing.items())[:5]
            ]
            for channel, missing in account.missing.items()
            if missing
        },
        "expected": {
            channel: (expected, len(stamps.get(channel, ())))
            for channel, expected in account.expected.items()
            if expected <= len(stamps.get(channel, ()))
        },
        "notices": account.notices[:5],
        "late": account.late[:5],
    }


async def main() -> None:
    """Serve the orders of the suite."""
    crowd = Crowd()
    await serve(
        {
            "plan": crowd.plan,
            "arrive": crowd.arrive,
            "mark": crowd.mark,
            "healed": crowd.healed,
            "leave": crowd.leave,
            "abandon": crowd.abandon,
            "tally": crowd.tally,
            "finish": crowd.finish,
        }
    )


if __name__ == "__main__":
    uvloop.run(main())
