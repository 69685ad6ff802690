"""Channels: what there is of them, what they hold, and dropping what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import logging

from aiohttp import web
import orjson

from broker.api.call import Call, read_limit, read_query
from broker.api.problems import answer
from broker.api.rows import message_row
from broker.api.services import Services
from broker.core.channels import parse_channels, shown
from broker.core.cursor import START, Cursor
from broker.core.errors import BadCursor, UnknownChannel
from broker.core.headcount import Population, Question
from broker.core.recovery import Span, clip
from broker.core.ring import History
from broker.core.rules import Match
from broker.logs import event
from broker.settings import Settings
from broker.store.base import ChannelInfo, Lookup

_log = logging.getLogger(__name__)

DEFAULT_ITEMS = 100
"""Channels or messages of one page, where the request does not say."""

MAX_CHANNELS = 1000
"""Channels of one page."""


class Channels:
    """
    The endpoints about channels.

    Args:
        services: What they work with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list(self, call: Call) -> web.Response:
        """Return the state of channels whose name begins with `prefix`, by name."""
        query = read_query(call.request, ("prefix", "limit"))
        limit = read_limit(query.get("limit"), DEFAULT_ITEMS, MAX_CHANNELS)
        found = await self._services.store.channels(call.tenant, query.get("prefix", ""), limit + 1)
        population = await self._count(call.tenant, [info.channel for info in found[:limit]])
        counts = population.channels()
        told = {
            "channels": [self._row(info, counts) for info in found[:limit]],
            "complete": len(found) <= limit,
            "silent": _silent(population),
        }
        return answer(orjson.dumps(told))

    async def show(self, call: Call) -> web.Response:
        """Return the state of one channel: of one that a rule names, or that holds something."""
        read_query(call.request, ())
        channel = channel_name(call, self._services.settings)
        info = await self._services.store.info(call.tenant, channel)
        if info is None:
            self._services.catalog().require(channel)
            info = ChannelInfo(channel, 0, START, 0, None)
        population = await self._count(call.tenant, [channel])
        row = self._row(info, population.channels())
        return answer(orjson.dumps({**row, "silent": _silent(population)}))

    async def delete(self, call: Call) -> web.Response:
        """Drop what a channel holds; its ids and cursors go on, and who missed it is told."""
        read_query(call.request, ())
        channel = channel_name(call, self._services.settings)
        last = await self._services.store.delete(call.tenant, channel)
        if last is None:
            raise UnknownChannel(f"nothing is known of the channel {shown(channel)}")
        # The announcement says the same; who asks this node at once must find it done.
        self._services.hub.deleted(call.tenant, channel, last)
        self._services.destroyed(call.tenant, [channel])
        facts = event("channel-emptied", tenant=call.tenant, channel=channel, by=call.publisher)
        _log.info("the channel %s was emptied", shown(channel), extra=facts)
        return answer(orjson.dumps({"deleted": channel}))

    async def messages(self, call: Call) -> web.Response:
        """Return what a channel still holds after a cursor, oldest first, a page at a time."""
        settings = self._services.settings
        query = read_query(call.request, ("after", "limit"))
        limit = read_limit(query.get("limit"), DEFAULT_ITEMS, settings.read_page_messages)
        after = read_cursor(query.get("after", ""))
        channel = channel_name(call, self._services.settings)
        if self._services.catalog().match(channel) is None:
            await self.show(call)
        floor = self._services.hub.high_water(call.tenant)
        lookup = Lookup(channel, after or START)
        [history] = await self._services.store.read(call.tenant, [lookup], limit, floor)
        return answer(_page(history, after, settings.max_poll_bytes))

    async def _count(self, tenant: str, names: Sequence[str]) -> Population:
        if not names:
            return Population(())
        return await self._services.census.take(Question(tenant, tuple(names)))

    def _row(self, info: ChannelInfo, subscribers: Mapping[str, int]) -> dict[str, object]:
        match = self._services.catalog().match(info.channel)
        return {
            "channel": info.channel,
            "last_id": info.last_id,
            "cursor": str(info.head) if info.last_id else None,
            "stored": info.stored,
            "first": None if info.first is None else str(info.first),
            "subscribers": subscribers.get(info.channel, 0),
            "rule": None if match is None else _rule(match),
        }


def _silent(population: Population) -> list[dict[str, object]]:
    return [each._asdict() for each in population.silent]


def _rule(match: Match) -> dict[str, object]:
    return {
        "pattern": match.entry.pattern.text,
        "place": str(match.entry.place),
        "messages": match.retention.messages,
        "age_s": match.retention.age_s,
        "max_message_bytes": match.max_message_bytes,
    }


def channel_name(call: Call, settings: Settings) -> str:
    """
    Return the channel that a path names.

    Raises:
        BadChannel: it cannot be the name of one.
    """
    [name] = parse_channels(call.rest, 1, settings.max_channel_bytes)
    return name


def read_cursor(text: str) -> Cursor | None:
    """
    Read the parameter `after`; nothing where it is empty.

    Raises:
        BadCursor: it is no cursor.
    """
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except BadCursor as error:
        error.field = "after"
        raise


def _page(history: History, after: Cursor | None, max_bytes: int) -> bytes:
    """
    Return a page: messages, the cursor to go on from, what is missing before the first of them.

    Args:
        history: What the store has.
        after: Where the page begins; None where nothing was said, so that nothing is missing.
        max_bytes: Messages in the page, one excepted.
    """
    rows = Span(
        [message.cursor for message in history.messages], list(map(message_row, history.messages))
    )
    kept = clip(rows, max_bytes)
    complete = history.complete and kept.complete
    following = kept.cursors[-1] if kept.cursors else max(after or START, history.head)
    first = rows.cursors[0] if rows.cursors else history.head
    facts = {
        "next": str(following),
        "complete": complete,
        "gap": str(first) if history.gap and after else None,
    }
    return b'{"messages":[%b],%b' % (b",".join(kept.items), orjson.dumps(facts)[1:])
