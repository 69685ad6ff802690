"""Brokers that tests start: they serve, restart on their ports, and leave nothing."""

from __future__ import annotations

from pathlib import Path
import os

import aiohttp
import pytest

from tests.support.broker import BrokerProcess


async def alive(broker: BrokerProcess) -> bool:
    """Tell whether the broker answers."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(f"{broker.internal}/healthz") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False


async def test_a_broker_comes_back_on_its_ports() -> None:
    """After a stop and after a kill, with the same data and another process."""
    async with BrokerProcess("--drain-s", "0") as broker:
        urls, token, first = (broker.public, broker.internal), broker.token(), broker.pid
        assert await alive(broker)
        assert 0 == await broker.stop()
        assert not await alive(broker)
        await broker.restart()
        broker.kill()
        assert not await alive(broker)
        await broker.restart()
        assert await alive(broker)
        async with aiohttp.ClientSession() as session:
            query = {"auth_token": token}
            async with session.get(f"{urls[0]}/shortpoll/ping", params=query) as answer:
                assert 304 == answer.status
        assert (broker.public, broker.internal) == urls
        assert (3, True) == (broker.starts, broker.pid != first)
        directory, last = broker.directory, broker.pid
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)


async def test_a_broker_that_does_not_start_says_why(tmp_path: Path) -> None:
    """What it said is in the failure."""
    rules = tmp_path / "channels.yaml"
    rules.write_text("channels: 7")
    with pytest.raises(AssertionError, match=r"channels\.yaml:1:11"):
        await BrokerProcess("--config", str(rules)).start()


async def test_another_verb_uses_the_same_data() -> None:
    """A token that the command line makes is believed."""
    async with BrokerProcess("--store", "memory:") as broker:
        with broker.run("token", "--sub", "7", stdin="unused") as made:
            assert 0 == await made.ended()
            (token,) = made.lines()
        async with aiohttp.ClientSession() as session:
            query = {"auth_token": token}
            async with session.get(f"{broker.public}/shortpoll/ping", params=query) as answer:
                assert 304 == answer.status
