"""The nginx that is to be put in front of the broker, as it stands in `deploy/nginx`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from ssl import SSLContext
from typing import NamedTuple

import aiohttp

from tests.support.broker import BrokerProcess, free_ports
from tests.support.followers import FOLLOWERS, Follower
from tests.support.nginx import Nginx, deployed, need_nginx
from tests.support.taken import self_signed
from tests.support.waiting import eventually

CHANNEL = "conversation_reply.100.7"
MESSAGES = 60
RECEIVE_DEADLINE_S = 30.0


class Front(NamedTuple):
    """
    A broker and nginx before it.

    Attributes:
        broker: The broker.
        nginx: What is before it.
        url: Where clients reach it.
        trust: What they trust.
    """

    broker: BrokerProcess
    nginx: Nginx
    url: str
    trust: SSLContext


@asynccontextmanager
async def front(folder: Path) -> AsyncIterator[Front]:
    """Run both; the test is skipped where there is no nginx."""
    need_nginx()
    _, trust = self_signed(folder)
    [port] = free_ports(1)
    async with BrokerProcess("--drain-s", "0", "--longpoll-timeout-s", "2") as broker:
        public, internal = (url.removeprefix("http://") for url in (broker.public, broker.internal))
        nginx = deployed(folder, public, internal, port, folder / "certificate.pem")
        async with nginx:
            yield Front(broker, nginx, f"https://127.0.0.1:{port}", trust)


@asynccontextmanager
async def followed(place: Front) -> AsyncIterator[list[Follower]]:
    """Give a follower on each transport, all of which have heard message 0."""
    token = place.broker.token(app_id="100")
    async with AsyncExitStack() as stack:
        followers = [
            await stack.enter_async_context(kind(place.url, CHANNEL, token, place.trust))
            for kind in FOLLOWERS
        ]
        await eventually(
            lambda: all(follower.attempts for follower in followers), what="all have asked"
        )
        await subscribed(place.broker, len(FOLLOWERS) - 1)
        await publish(place.broker, 0)
        await eventually(
            lambda: all(follower.messages for follower in followers),
            RECEIVE_DEADLINE_S,
            what="all have heard the first message",
        )
        yield followers


async def subscribed(broker: BrokerProcess, count: int) -> None:
    """Wait until so many subscribers are connected at once."""
    async with aiohttp.ClientSession(broker.internal) as http:

        async def are_there() -> bool:
            async with http.get("/stats") as answer:
                sessions: int = (await answer.json())["sessions"]
                return sessions >= count

        await eventually(are_there, RECEIVE_DEADLINE_S, what=f"{count} subscribers are connected")


async def publish(broker: BrokerProcess, number: int) -> None:
    """Publish a message past nginx, as back ends do."""
    url = f"{broker.internal}/publish/{CHANNEL}"
    async with aiohttp.ClientSession() as http, http.post(url, json=number) as answer:
        assert 200 == answer.status


async def heard(followers: list[Follower], last: int) -> None:
    """Wait until each has heard the last message, and compare all that it heard."""
    await eventually(
        lambda: all(last in follower.messages for follower in followers),
        RECEIVE_DEADLINE_S,
        what="all have heard the last message",
    )
    for follower in followers:
        assert list(range(last + 1)) == follower.messages, follower.path


async def test_nothing_is_lost_over_restarts_of_nginx(tmp_path: Path) -> None:
    """Every transport misses and repeats nothing, though nginx ends twice, and every connection."""
    async with front(tmp_path) as place, followed(place) as followers:
        for number in range(1, MESSAGES):
            await publish(place.broker, number)
            if number % (MESSAGES // 3) == 0:
                await place.nginx.restart()
                await subscribed(place.broker, len(FOLLOWERS) - 1)
        await heard(followers, MESSAGES - 1)
        assert all(follower.attempts > 1 for follower in followers)


async def test_nothing_is_lost_over_a_reload_of_nginx_and_a_restart_of_the_broker(
    tmp_path: Path,
) -> None:
    """A reload cuts nobody; while the broker is away nginx answers 502, and clients come back."""
    async with front(tmp_path) as place, followed(place) as followers:
        lasting = [each for each in followers if each.path in {"websocket", "stream"}]
        before = [follower.attempts for follower in lasting]
        place.nginx.reload()
        for number in range(1, MESSAGES // 2):
            await publish(place.broker, number)
        await heard(followers, MESSAGES // 2 - 1)
        assert before == [follower.attempts for follower in lasting]
        await place.broker.restart()
        for number in range(MESSAGES // 2, MESSAGES):
            await publish(place.broker, number)
        await heard(followers, MESSAGES - 1)
        assert any(follower.failures for follower in followers)
        assert "auth_token" not in place.nginx.log


async def test_publishers_are_let_in_by_their_address(tmp_path: Path) -> None:
    """Through nginx, too, the module's paths for publishers and statistics answer."""
    async with front(tmp_path) as place, aiohttp.ClientSession() as http:
        url = f"{place.url}/pub?id={CHANNEL}"
        async with http.post(url, data=b'{"n": 1}', ssl=place.trust) as answer:
            assert 200 == answer.status
            assert 1 == (await answer.json(content_type=None))["published_messages"]
        url = f"{place.url}/channels-stats?id={CHANNEL}"
        async with http.get(url, ssl=place.trust) as answer:
            assert 1 == (await answer.json(content_type=None))["published_messages"]
        async with http.get(f"{place.url}/metrics", ssl=place.trust) as answer:
            assert 404 == answer.status
