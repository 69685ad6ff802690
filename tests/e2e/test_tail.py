"""`broker tail` beside a running broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
import json
import signal

import pytest

from broker.client import Client, Stamp
from tests.support.broker import BrokerProcess
from tests.support.program import Program
from tests.support.waiting import eventually

RULES = """\
channels:
  - {name: "conversation.{app}.{user}", history: {messages: 5}, subscribe: [{sub: "{user}"}]}
"""
CHANNEL = "conversation.100.7"


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[BrokerProcess]:
    """Give a broker whose rings are short."""
    rules = tmp_path / "channels.yaml"
    rules.write_text(RULES)
    async with BrokerProcess("--config", str(rules), "--store", "memory:") as running:
        yield running


def tail(broker: BrokerProcess, *words: str, **options: str) -> Program:
    """Run the verb beside the broker."""
    return broker.run("tail", *words, "--url", broker.public, **options)  # type: ignore[arg-type]


async def connected(program: Program) -> None:
    """Wait until it follows."""
    await eventually(
        lambda: "connected by" in program.err.read_text(), 10, what="tail is connected"
    )


async def publish(broker: BrokerProcess, *messages: object, channel: str = CHANNEL) -> list[Stamp]:
    """Publish messages."""
    async with Client(internal=broker.internal) as client:
        return [stamp for message in messages for stamp in await client.publish(channel, message)]


async def test_it_works_as_it_stands_beside_the_broker(broker: BrokerProcess) -> None:
    """Without a token it makes one for the channels that it was asked for, rules or not."""
    with tail(broker, CHANNEL, "conversation.100.8", "--count", "2") as follower:
        await connected(follower)
        (first,) = await publish(broker, {"n": 1})
        (second,) = await publish(broker, {"n": 2}, channel="conversation.100.8")
        assert 0 == await follower.ended()
        assert [
            f'{first.cursor} {CHANNEL} 1 {{"n":1}}',
            f'{second.cursor} conversation.100.8 1 {{"n":2}}',
        ] == follower.lines()


async def test_since_goes_back(broker: BrokerProcess) -> None:
    """All that is kept without a complaint, or what came after a message."""
    stamps = await publish(broker, *range(7))
    with tail(broker, CHANNEL, "--since", "all", "--count", "5", "--json") as follower:
        assert 0 == await follower.ended()
        assert [2, 3, 4, 5, 6] == [json.loads(line)["message"] for line in follower.lines()]
        assert "no longer kept" not in follower.err.read_text()
    with tail(broker, CHANNEL, "--since", str(stamps[5].cursor), "--count", "1") as follower:
        assert 0 == await follower.ended()
        assert [f"{stamps[6].cursor} {CHANNEL} 7 6"] == follower.lines()


async def test_p3_gaps_are_told_on_standard_error(broker: BrokerProcess) -> None:
    """With where, after what, and what is the first that is kept."""
    stamps = await publish(broker, *range(9))
    with tail(broker, CHANNEL, "--since", str(stamps[0].cursor), "--count", "5") as follower:
        assert 0 == await follower.ended()
        told = f"messages of {CHANNEL} after {stamps[0].cursor} are no longer kept"
        assert told in follower.err.read_text()
        assert str(stamps[4].cursor) in follower.err.read_text()


async def test_p2_a_restart_of_the_broker_is_survived(tmp_path: Path) -> None:
    """What is published as soon as it is back is shown, and nothing twice."""
    async with BrokerProcess("--drain-s", "0") as broker:
        with tail(broker, CHANNEL, "--json") as follower:
            await connected(follower)
            for number in range(3):
                await publish(broker, number)
                await broker.restart()
            await publish(broker, "end")
            await eventually(lambda: len(follower.lines()) >= 4, 15, what="all is shown")
            shown = [json.loads(line)["message"] for line in follower.lines()]
            assert [0, 1, 2, "end"] == shown


async def test_refusals_have_codes_of_their_own(broker: BrokerProcess) -> None:
    """1 for what the broker refuses, 3 for a token that is bad; no token is repeated."""
    stranger = broker.token(sub="8")
    expired = broker.token(-60, sub="7")
    for words, code in (([stranger], 1), ([expired], 3), (["x.y.z"], 3)):
        with tail(broker, CHANNEL, "--token", *words) as refused:
            assert code == await refused.ended()
            assert "broker tail: " in refused.err.read_text()
            assert words[0] not in refused.err.read_text()
    with tail(broker, "a*") as refused:
        assert 1 == await refused.ended()


async def test_the_token_may_come_from_standard_input(broker: BrokerProcess) -> None:
    """So that it is in no list of processes."""
    await publish(broker, 1)
    words = (CHANNEL, "--token", "-", "--since", "all", "--count", "1")
    with tail(broker, *words, stdin=f"{broker.token(sub='7')}\n") as follower:
        assert 0 == await follower.ended()
        assert 1 == len(follower.lines())


async def test_an_interrupt_ends_it(broker: BrokerProcess) -> None:
    """Ctrl-C ends it at once, without a traceback."""
    with tail(broker, CHANNEL) as follower:
        await connected(follower)
        follower.signal(signal.SIGINT)
        assert 130 == await follower.ended()
        assert "Traceback" not in follower.err.read_text()


async def test_it_waits_for_a_broker_that_is_not_there() -> None:
    """It says so, and connects once the broker has come."""
    broker = BrokerProcess("--store", "memory:")
    try:
        with tail(broker, CHANNEL, "--token", broker.token(channels=[CHANNEL])) as follower:
            await eventually(lambda: "connection refused" in follower.err.read_text(), 10)
            await broker.start()
            await connected(follower)
            await publish(broker, 1)
            await eventually(follower.lines, 10, what="the message is shown")
    finally:
        broker.close()
