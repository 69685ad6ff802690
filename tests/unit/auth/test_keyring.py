"""Published keys: fetched once for all, kept when they cannot be fetched."""

from __future__ import annotations

import asyncio
import logging

import pytest

from broker.auth.keyring import FETCH_TIMEOUT_S, MAX_AGE_S, RETRY_S, KeyRing, RemoteKeys
from broker.auth.keys import secret_key
from tests.support.tokens import ec_key, jwks, rsa_key

URL = "https://user:url-password@id.example/jwks?key=url-password"


class Provider:
    """A provider whose answer can be held back."""

    def __init__(self) -> None:
        self.content = jwks([rsa_key("r")]).encode()
        self.fault: Exception | None = None
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()
        self.now = 0.0

    async def fetch(self, url: str) -> bytes:
        assert URL == url
        self.asked += 1
        self.was_asked.set()
        await self.answers.wait()
        if self.fault is not None:
            raise self.fault
        return self.content

    def clock(self) -> float:
        return self.now


@pytest.fixture
async def provider() -> Provider:
    """Return a provider of one key."""
    return Provider()


@pytest.fixture
async def remote(provider: Provider) -> RemoteKeys:
    """Return the provider's keys, not fetched yet."""
    return RemoteKeys(URL, provider.fetch, provider.clock)


async def test_all_who_ask_wait_for_one_fetch(provider: Provider, remote: RemoteKeys) -> None:
    """A thousand clients with a new key cost the provider one request."""
    provider.answers.clear()
    waiting = [asyncio.create_task(remote.refresh()) for _ in range(1000)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    provider.answers.set()
    await asyncio.gather(*waiting)
    assert 1 == provider.asked
    assert ["r"] == [key.kid for key in remote.keys]


async def test_who_gives_up_ends_the_fetch_for_nobody(
    provider: Provider, remote: RemoteKeys
) -> None:
    """The client that began it may leave."""
    provider.answers.clear()
    first, second = (asyncio.create_task(remote.refresh()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    provider.answers.set()
    await second
    assert 1 == provider.asked
    assert remote.keys


async def test_keys_are_fetched_again_when_they_are_old(
    provider: Provider, remote: RemoteKeys
) -> None:
    """So that a withdrawn key is forgotten even if nobody brings a new one."""
    ring = KeyRing([], [remote])
    for _ in range(2):
        await ring.refresh(due_only=True)
    assert 1 == provider.asked
    provider.content = jwks([ec_key("e")]).encode()
    provider.now = MAX_AGE_S
    await ring.refresh(due_only=True)
    assert ["e"] == [key.kid for key in remote.keys]


@pytest.mark.jumping
async def test_a_withdrawn_key_is_forgotten_by_itself(provider: Provider) -> None:
    """Within the age that keys may have, though no token asks for it."""
    loop = asyncio.get_running_loop()
    ring = KeyRing([], [RemoteKeys(URL, provider.fetch, loop.time)])
    await ring.refresh()
    began = loop.time()
    provider.content = jwks([ec_key("e")]).encode()
    task = asyncio.create_task(ring.keep_fresh())
    provider.was_asked.clear()
    await asyncio.wait_for(provider.was_asked.wait(), 2 * MAX_AGE_S)
    await ring.refresh()
    assert ring.knows("e")
    assert not ring.knows("r")
    assert MAX_AGE_S <= loop.time() - began <= MAX_AGE_S + RETRY_S + 1
    assert 2 == provider.asked
    task.cancel()


async def test_without_a_provider_there_is_nothing_to_keep_fresh() -> None:
    """It ends at once."""
    await asyncio.wait_for(KeyRing([]).keep_fresh(), 10)


async def test_a_failed_fetch_is_tried_again_after_a_while(
    provider: Provider, remote: RemoteKeys
) -> None:
    """Not at once, and not only an hour later."""
    provider.fault = OSError("refused")
    await remote.refresh()
    assert not remote.is_due
    provider.now = RETRY_S
    assert remote.is_due


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"keys": []}', b"<html>", b" " * 2_000_000], ids=lambda c: repr(c[:9])
)
async def test_what_is_no_key_set_changes_nothing(
    provider: Provider, remote: RemoteKeys, content: bytes
) -> None:
    """An error page with status 200 locks nobody out."""
    await remote.refresh()
    provider.content, provider.now = content, RETRY_S
    await remote.refresh()
    assert 2 == provider.asked
    assert ["r"] == [key.kid for key in remote.keys]


async def test_a_failure_is_logged_without_the_url(
    provider: Provider, remote: RemoteKeys, caplog: pytest.LogCaptureFixture
) -> None:
    """It may hold a password; the host and the kind of failure are enough."""
    provider.fault = OSError(f"cannot connect to {URL}")
    await remote.refresh()
    assert [("broker.auth.keyring", logging.WARNING)] == [
        (record.name, record.levelno) for record in caplog.records
    ]
    assert "keys of id.example not refreshed: OSError" in caplog.text
    assert "url-password" not in caplog.text


@pytest.mark.jumping
async def test_a_fetch_has_a_deadline(provider: Provider, remote: RemoteKeys) -> None:
    """Those who wait are told after a few seconds."""
    provider.answers.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await remote.refresh()
    assert not remote.keys
    assert FETCH_TIMEOUT_S == pytest.approx(loop.time() - began, abs=0.5)


async def test_a_ring_tells_when_its_keys_change(provider: Provider, remote: RemoteKeys) -> None:
    """And only then, so that remembered tokens are verified again no more than needed."""
    own = secret_key("s" * 32)
    ring = KeyRing([own], [remote])
    versions = [ring.version]
    for _ in range(2):
        await ring.refresh()
        versions.append(ring.version)
        provider.now += RETRY_S
    assert [0, 1, 1] == versions
    assert [own, *remote.keys] == list(ring.find(""))


async def test_keys_with_the_id_come_before_those_without(
    provider: Provider, remote: RemoteKeys
) -> None:
    """An id that some key has is never verified by another."""
    own = secret_key("s" * 32)
    ring = KeyRing([own], [remote])
    await ring.refresh()
    assert list(remote.keys) == list(ring.find("r"))
    assert [own] == list(ring.find("unknown"))
    assert provider.asked
