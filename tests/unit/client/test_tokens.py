"""Where a client's token comes from."""

from __future__ import annotations

from collections.abc import Callable
import asyncio

import pytest

from broker.client.errors import Lost, Unauthorized
from broker.client.tokens import Tokens

REFUSAL = Unauthorized(401, "expired")


def numbered() -> Callable[[], str]:
    """Return a source that gives another token each time."""
    given: list[str] = []

    def source() -> str:
        given.append(f"token-{len(given) + 1}")
        return given[-1]

    return source


async def test_a_given_token_is_all_there_is() -> None:
    """A token that was given cannot be renewed: the refusal stands."""
    tokens = Tokens("given", 1)
    assert "given" == await tokens.current()
    with pytest.raises(Unauthorized):
        await tokens.renew("given", REFUSAL)


async def test_without_a_token_none_is_sent() -> None:
    """Public channels need none."""
    assert "" == await Tokens(None, 1).current()


async def test_a_source_is_asked_once_until_its_token_is_refused() -> None:
    """Plain or async, it gives one token for all subscriptions."""
    plain = numbered()
    within = numbered()

    async def later() -> str:
        return within()

    for source in (plain, later):
        tokens = Tokens(source, 1)
        assert ["token-1"] * 2 == [await tokens.current(), await tokens.current()]
        await tokens.renew("token-1", REFUSAL)
        assert "token-2" == await tokens.current()


async def test_subscriptions_renew_together() -> None:
    """When a token expires for many at once, one new one is fetched."""
    tokens = Tokens(numbered(), 1)
    refused = await tokens.current()
    await asyncio.gather(*(tokens.renew(refused, REFUSAL) for _ in range(20)))
    assert "token-2" == await tokens.current()


async def test_a_source_that_gives_the_same_token_again_is_no_help() -> None:
    """The refusal stands."""
    tokens = Tokens(lambda: "same", 1)
    await tokens.current()
    with pytest.raises(Unauthorized):
        await tokens.renew("same", REFUSAL)


@pytest.mark.jumping
async def test_a_source_that_cannot_be_reached_is_tried_later() -> None:
    """Network errors and silence are a lost connection; other errors are the source's own."""

    async def silent() -> str:
        await asyncio.sleep(3600)
        return ""

    def unreachable() -> str:
        raise ConnectionRefusedError

    def broken() -> str:
        raise KeyError("user")

    for source in (silent, unreachable):
        with pytest.raises(Lost):
            await Tokens(source, 10).current()
    with pytest.raises(KeyError):
        await Tokens(broken, 10).current()
