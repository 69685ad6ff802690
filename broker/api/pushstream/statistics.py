"""The module's statistics: everything, all channels, some channels, one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import gmtime, strftime
from urllib.parse import parse_qsl
import socket

from aiohttp import hdrs, web

from broker.api.call import Call
from broker.api.names import WILD, parse_names, raw_names
from broker.api.problems import answer
from broker.api.pushstream.forms import Facts, Group, Summary, channel_facts, choose_form
from broker.api.survey import ChannelFacts, Surveyor
from broker.core.channels import RESERVED
from broker.core.errors import BadChannel, UnknownChannel
from broker.core.headcount import Headcount, Population
from broker.core.publisher_mounts import StatisticsMount
from broker.settings import Settings

PARTIAL = "X-Broker-Partial"
"""Header of an answer that does not count everything: a node was silent, or there is too much."""

_ALONE = "node"
_SCOPE = "scope"


class Statistics:
    """
    Shows how much there is.

    Args:
        surveyor: Knows it.
        settings: Limits.
        wall_clock: Seconds since the epoch.
    """

    def __init__(
        self, surveyor: Surveyor, settings: Settings, wall_clock: Callable[[], float]
    ) -> None:
        self._surveyor = surveyor
        self._settings = settings
        self._wall_clock = wall_clock
        self._host = socket.gethostname()

    async def show(self, mount: StatisticsMount, call: Call) -> web.Response:
        """
        Answer what is asked by `id`: nothing for a summary, `ALL`, a prefix and `*`, or names.

        With `scope=node` only the asked node's subscribers count.

        Source: push-stream reference, section 12.
        """
        alone = mount.alone or _is_alone(call)
        raw = raw_names(call, mount)
        if mount.fixed:
            return await self.named(call, mount.fixed, alone=alone)
        if not raw:
            return await self._summary(call, alone=alone)
        prefix, star, _ = raw.partition(WILD)
        if raw == RESERVED or star:
            return await self._below(call, prefix if star else "", alone=alone)
        return await self.named(call, parse_names(raw, self._settings), alone=alone)

    async def named(self, call: Call, names: Sequence[str], *, alone: bool = False) -> web.Response:
        """
        Answer about those of some channels that exist.

        Raises:
            UnknownChannel: None does.
        """
        survey = await self._surveyor.named(call.tenant, names, alone=alone)
        found = [each for each in survey.channels if each.exists]
        if not found:
            raise UnknownChannel("no such channel holds anything or is listened to")
        return self.about(call, found, survey.population, complete=survey.complete)

    def about(
        self,
        call: Call,
        channels: Sequence[ChannelFacts],
        population: Population,
        *,
        complete: bool,
        grouped: bool = False,
    ) -> web.Response:
        """
        Answer about channels.

        Args:
            call: The request.
            channels: What is known of them.
            population: What the nodes counted.
            complete: Whether nothing is missing.
            grouped: Whether a single one is written like several.
        """
        form = choose_form(call.request.headers.get(hdrs.ACCEPT, ""))
        rows = [channel_facts(each) for each in channels]
        if len(rows) == 1 and not grouped:
            text = form.channel(rows[0])
        else:
            text = form.group(Group(self._head(len(rows), population), rows))
        return _answer(text, form.content_type, complete=complete)

    async def _below(self, call: Call, raw_prefix: str, *, alone: bool) -> web.Response:
        prefix = _decoded(raw_prefix, self._settings)
        survey = await self._surveyor.below(call.tenant, prefix, alone=alone)
        return self.about(
            call, survey.channels, survey.population, complete=survey.complete, grouped=True
        )

    async def _summary(self, call: Call, *, alone: bool) -> web.Response:
        form = choose_form(call.request.headers.get(hdrs.ACCEPT, ""))
        found = await self._surveyor.summary(call.tenant, alone=alone)
        head: Facts = {
            "hostname": self._host,
            "time": self._now(),
            "channels": found.channels,
            "wildcard_channels": 0,
            "published_messages": found.published,
            "stored_messages": found.stored,
            "messages_in_trash": 0,
            "channels_in_delete": 0,
            "channels_in_trash": 0,
            "subscribers": found.subscribers,
            "uptime": max(node.uptime_s for node in found.nodes),
        }
        text = form.summary(Summary(head, [_worker(node) for node in found.nodes]))
        return _answer(text, form.content_type, complete=found.complete)

    def _head(self, channels: int, population: Population) -> Facts:
        return {
            "hostname": self._host,
            "time": self._now(),
            "channels": channels,
            "wildcard_channels": 0,
            "uptime": population.counts[0].uptime_s,
        }

    def _now(self) -> str:
        return strftime("%Y-%m-%dT%H:%M:%S", gmtime(self._wall_clock()))


def _worker(node: Headcount) -> Facts:
    return {"pid": str(node.pid), "subscribers": node.subscribers, "uptime": node.uptime_s}


def _is_alone(call: Call) -> bool:
    query = call.request.raw_path.partition("?")[2]
    return (_SCOPE, _ALONE) in parse_qsl(query)


def _decoded(raw: str, settings: Settings) -> str:
    """Return the beginning of a name, which may be empty."""
    if not raw:
        return ""
    names = parse_names(raw, settings)
    if len(names) > 1:
        raise BadChannel("a prefix stands alone: id=chat.*", field="channels")
    return names[0]


def _answer(text: str, content_type: str, *, complete: bool) -> web.Response:
    headers = {} if complete else {PARTIAL: "true"}
    return answer(text.encode(), content_type=content_type, headers=headers)
