"""The press: a process of publishers that count what they send. `python -m tests.chaos.press`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
import asyncio
import time

import orjson

from broker.core.cursor import Cursor
from tests.chaos.aide import serve
from tests.chaos.subscribers.base import read_cursor
from tests.support.wire import Answer, Http, connect

ROUND_S = 0.1
"""Time between two batches of a publisher."""

ATTEMPT_S = 8.0
"""Longest wait for an answer: longer than a node waits for its store."""

RETRY_S = 0.1

GIVE_UP_S = 60.0
"""Time in which a batch must have been accepted."""

QUIET_EVERY = 20
"""Rounds between two messages of a quiet channel."""

_OK, _UNAVAILABLE = 200, 503
_FILLER = "x" * 64


class Publisher:
    """
    One publisher: request after request, each tried again until it is accepted.

    So the order of its own counts is the order of acceptance, whatever breaks.

    Args:
        number: Its number.
        channels: Channels that nobody else publishes to.
        quiet: The same, with a message now and then.
        urls: Internal listeners.

    Attributes:
        stamps: By channel, what it was answered.
        tally: How often what happened.
        accepted_at: When which number of messages was accepted.
    """

    def __init__(
        self, number: int, channels: Sequence[str], quiet: Sequence[str], urls: Sequence[str]
    ) -> None:
        self.number = number
        self.stamps: dict[str, list[Cursor]] = {name: [] for name in (*channels, *quiet)}
        self.tally: Counter[str] = Counter()
        self.accepted_at: list[tuple[float, int]] = []
        self.stopping = False
        self._channels = list(channels)
        self._quiet = list(quiet)
        self._urls = list(urls)
        self._node = number % len(urls)
        self._http: Http | None = None
        self._counts = dict.fromkeys(self.stamps, 0)
        self._turn = 0
        self._batches = 0

    async def run(self, rate: float) -> None:
        """
        Publish until `stopping`.

        Args:
            rate: Messages a second.
        """
        size = max(1, round(rate * ROUND_S))
        due = time.monotonic()
        while not self.stopping:
            await self._deliver(self._batch(size))
            # No crowd of batches behind an outage: what was not sent meanwhile is not made up for.
            due = max(due + ROUND_S, time.monotonic() - ROUND_S)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if self._http is not None:
            await self._http.close()

    def _batch(self, size: int) -> list[tuple[str, dict[str, Any]]]:
        start = self._batches * size
        names = [self._channels[(start + at) % len(self._channels)] for at in range(size)]
        if self._quiet and self._batches % QUIET_EVERY == 0:
            names.append(self._quiet[self._batches // QUIET_EVERY % len(self._quiet)])
        self._batches += 1
        return [(name, self._message(name)) for name in names]

    def _message(self, channel: str) -> dict[str, Any]:
        self._turn += 1
        self._counts[channel] += 1
        return {
            "channel": channel,
            "count": self._counts[channel],
            "publisher": self.number,
            "turn": self._turn,
            "sent": time.monotonic(),
            "filler": _FILLER,
        }

    async def _deliver(self, batch: list[tuple[str, dict[str, Any]]]) -> None:
        body = b"\n".join(orjson.dumps({"channel": name, "message": each}) for name, each in batch)
        deadline = time.monotonic() + GIVE_UP_S
        while not await self._attempt(body):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not accepted within {GIVE_UP_S:g} s: {dict(self.tally)}")
            await asyncio.sleep(RETRY_S)

    async def _attempt(self, body: bytes) -> bool:
        """Try once; tell whether it is accepted now."""
        headers = {
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": f"{self.number}-{self._batches}",
        }
        try:
            async with asyncio.timeout(ATTEMPT_S):
                if self._http is None:
                    self._http = await connect(self._urls[self._node])
                answer = await self._http.ask("/publish", headers, method="POST", body=body)
        except (OSError, EOFError) as error:  # a TimeoutError is an OSError
            await self._turn_away(type(error).__name__)
            return False
        if answer.status == _UNAVAILABLE:
            await self._turn_away("503")
            return False
        assert answer.status == _OK, answer
        self._note(answer)
        return True

    async def _turn_away(self, why: str) -> None:
        self.tally[why] += 1
        http, self._http = self._http, None
        if http is not None:
            await http.close()
        self._node = (self._node + 1) % len(self._urls)

    def _note(self, answer: Answer) -> None:
        rows = orjson.loads(answer.body)["messages"]
        for row in rows:
            self.stamps[row["channel"]].append(read_cursor(row["time"], row["tag"]))
        self.accepted_at.append((time.monotonic(), len(rows)))
        self.tally["accepted"] += len(rows)
        self.tally["replayed"] += answer.headers.get("Idempotency-Replayed") == "true"


class Press:
    """Publishers, and what can be asked of them."""

    def __init__(self) -> None:
        self._publishers: list[Publisher] = []
        self._running: list[asyncio.Task[None]] = []
        self._rate = 0.0

    async def plan(self, plan: dict[str, Any]) -> None:
        """
        Make the publishers.

        Args:
            plan: `urls` of internal listeners; how many `publishers`; `channels` and `quiet` ones,
                shared out among them; `rate` of all together, a second.
        """
        count = plan["publishers"]
        self._rate = plan["rate"] / count
        for number in range(count):
            shares = (plan["channels"][number::count], plan["quiet"][number::count])
            self._publishers.append(Publisher(number, *shares, plan["urls"]))

    async def start(self, _: dict[str, Any]) -> None:
        """Begin to publish."""
        for publisher in self._publishers:
            self._running.append(asyncio.create_task(publisher.run(self._rate)))

    async def stop(self, _: dict[str, Any]) -> dict[str, Any]:
        """Have every publisher finish its batch; return what is stored."""
        for publisher in self._publishers:
            publisher.stopping = True
        await asyncio.gather(*self._running)
        tally = Counter[str]()
        for publisher in self._publishers:
            tally.update(publisher.tally)
        return {
            "stamps": {
                channel: stamps
                for publisher in self._publishers
                for channel, stamps in publisher.stamps.items()
            },
            "tally": dict(tally),
            "accepted": sorted(each for one in self._publishers for each in one.accepted_at),
        }


async def main() -> None:
    """Serve the orders of the suite."""
    press = Press()
    await serve({"plan": press.plan, "start": press.start, "stop": press.stop})


if __name__ == "__main__":
    asyncio.run(main())
