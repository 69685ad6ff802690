"""The same poll again, byte for byte: its 304 costs next to nothing, and is never a stale one."""

from __future__ import annotations

import asyncio
import weakref

import pytest

from broker.app import LINGER_S
from broker.auth.keys import secret_key
from broker.catalog import Catalog
from tests.support.node import OPEN_CHANNELS, RunningNode, running_node
from tests.support.tokens import hmac_key
from tests.support.waiting import eventually
from tests.support.wire import Answer, Http, subscription

ELSEWHERE = "mounts:\n  - {path: /elsewhere, mode: shortpoll}\n"
"""Serves short polls under another path than before."""

ISSUED = 1_700_000_000


async def idle(node: RunningNode, http: Http, token: str = "", *channels: str) -> str:
    """Poll until nothing is new, and twice more; return the target of these last polls."""
    names = channels or ("closed.a",) if token else channels or ("a",)
    first = await http.ask(subscription("shortpoll", names, None, token))
    wanted = subscription("shortpoll", names, first.cursor, token)
    for _ in range(3):
        assert 304 == (await http.ask(wanted)).status
    return wanted


async def both(node: RunningNode, http: Http, wanted: str) -> list[Answer]:
    """Poll once more on the same connection, and once on a new one."""
    return [await http.ask(wanted), await node.ask(wanted)]


async def test_a_message_ends_the_silence(node: RunningNode) -> None:
    """The next poll after a publish has the message, though it is the same to the last byte."""
    async with node.connect() as http:
        wanted = await idle(node, http)
        await node.publish("a", "news")
        for answer in await both(node, http, wanted):
            assert ["news"] == [envelope.message for envelope in answer.envelopes]


async def test_a_message_elsewhere_moves_the_cursor_on(node: RunningNode) -> None:
    """The cursor of a 304 is the node's present one, behind which nothing was missed (P4)."""
    async with node.connect() as http:
        wanted = await idle(node, http)
        published = await node.publish("b", "not here")
        for answer in await both(node, http, wanted):
            assert 304 == answer.status
            assert published.cursor <= answer.cursor


async def test_what_came_while_announcements_were_cut_off_is_found(node: RunningNode) -> None:
    """A feed that is being brought up to date gives no 304 from memory."""
    hub = node.node.hub
    async with node.connect() as http:
        wanted = await idle(node, http)
        hub.interrupted()
        await http.send(wanted)
        hub.resumed()
        assert 304 == (await http.answer()).status
        await node.publish("a", "late")
        for answer in await both(node, http, wanted):
            assert ["late"] == [envelope.message for envelope in answer.envelopes]


async def test_a_revoked_token_is_refused(node: RunningNode) -> None:
    """The very next poll is refused, on every connection."""
    token = node.token(None, sub="7", role="reader", iat=ISSUED)
    async with node.connect() as http:
        wanted = await idle(node, http, token)
        assert 200 == (await node.revoke(sub="7", issued_before=ISSUED + 1)).status
        for answer in await both(node, http, wanted):
            assert (401, "token-revoked") == (answer.status, answer.problem["meta"]["error"])


@pytest.mark.jumping
async def test_an_expired_token_is_refused() -> None:
    """A token counts until its last second, and not a poll longer."""
    async with running_node() as node, node.connect() as http:
        token = node.token(None, role="reader", exp=int(node.clock()) + 8)
        wanted = await idle(node, http, token)
        await asyncio.sleep(9)
        for answer in await both(node, http, wanted):
            assert (401, "token-expired") == (answer.status, answer.problem["meta"]["error"])


async def test_other_keys_are_heeded(node: RunningNode) -> None:
    """A token that was signed with a withdrawn key is refused, one with a new key let in."""
    new = "another secret for tests, longer than thirty-two bytes"
    async with node.connect() as http:
        wanted = await idle(node, http, node.token(None, role="reader"))
        node.node._verifier._keys.replace([secret_key(new)])
        for answer in await both(node, http, wanted):
            assert (401, "token-malformed") == (answer.status, answer.problem["meta"]["error"])
        await idle(node, http, hmac_key(new).mint(None, role="reader"))


async def test_other_rules_are_heeded(node: RunningNode) -> None:
    """A channel that is not public any more needs a token at once."""
    async with node.connect() as http:
        wanted = await idle(node, http)
        public, closed = '{name: "{a}", subscribe: public}', '{name: "{a}"}'
        node.node.replace_rules(Catalog.parse(OPEN_CHANNELS.replace(public, closed)))
        assert [401, 401] == [answer.status for answer in await both(node, http, wanted)]


async def test_other_mounts_are_heeded(node: RunningNode) -> None:
    """A path that serves nothing any more is not found."""
    async with node.connect() as http:
        wanted = await idle(node, http)
        node.node.replace_rules(Catalog.parse(OPEN_CHANNELS + ELSEWHERE))
        assert [404, 404] == [answer.status for answer in await both(node, http, wanted)]


async def test_a_node_that_is_about_to_stop_sends_polls_away(node: RunningNode) -> None:
    """503, so that the client asks another node."""
    async with node.connect() as http:
        wanted = await idle(node, http)
        node.node.draining = True
        assert 503 == (await http.ask(wanted)).status


async def test_a_subject_with_its_share_gets_no_more() -> None:
    """A poll counts with what its subject has open elsewhere."""
    async with running_node(max_subject_connections=1) as node, node.connect() as http:
        token = node.token(None, sub="7", role="reader")
        wanted = await idle(node, http, token)
        async with node.connect() as other:
            await other.send(wanted.replace("shortpoll", "longpoll"))
            await eventually(lambda: 1 == node.sessions, what="the subject has its share")
            assert 429 == (await http.ask(wanted)).status
        await eventually(lambda: 0 == node.sessions, what="the share is free again")
        assert 304 == (await http.ask(wanted)).status


@pytest.mark.jumping
async def test_a_ping_that_is_due_is_sent() -> None:
    """A cursor from before the latest ping gets it; the poll that was asked at first got none."""
    async with running_node() as node, node.connect() as http:
        await asyncio.sleep(10 - node.clock() % 10 + 0.5)
        wanted = await idle(node, http, "", "a", "ping")
        await asyncio.sleep(10 + node.node.settings.tick_s)
        for answer in await both(node, http, wanted):
            assert ["ping"] == [envelope.channel for envelope in answer.envelopes]


@pytest.mark.jumping
async def test_a_feed_that_is_polled_is_kept() -> None:
    """However long nothing comes, the node goes on listening, and reads the store for nobody."""
    async with running_node() as node, node.connect() as http:
        wanted = await idle(node, http)
        [feed] = node.node.hub.feeds
        for _ in range(4):
            await asyncio.sleep(LINGER_S / 2)
            assert 304 == (await http.ask(wanted)).status
        assert [feed] == list(node.node.hub.feeds)


@pytest.mark.jumping
async def test_a_feed_that_was_given_up_is_made_anew() -> None:
    """A client that was away for long finds what was published meanwhile."""
    async with running_node() as node, node.connect() as http:
        wanted = await idle(node, http)
        await asyncio.sleep(2 * LINGER_S)
        assert [] == list(node.node.hub.feeds)
        await node.publish("a", "meanwhile")
        for answer in [await node.ask(wanted), await node.ask(wanted)]:
            assert ["meanwhile"] == [envelope.message for envelope in answer.envelopes]


@pytest.mark.jumping
async def test_feeds_that_were_given_up_take_no_memory() -> None:
    """That their requests are known keeps none of them, except for the last one."""
    async with running_node() as node, node.connect() as http:
        for channel in "abcd":
            await idle(node, http, "", channel)
        feeds = [weakref.ref(feed) for feed in node.node.hub.feeds]
        assert 4 == len(feeds)
        await asyncio.sleep(2 * LINGER_S)
        assert 1 >= sum(feed() is not None for feed in feeds)
