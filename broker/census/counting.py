"""Counting: the subscribers of one node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from broker.core.encoder import INTERNAL
from broker.core.headcount import Question, counted
from broker.hub import PING_CHANNEL, Hub
from broker.hub.feed import Feed


class Counted(NamedTuple):
    """
    What a node counts.

    Attributes:
        subscribers: Its subscribers of the tenant, where the question is about everything; else 0.
        channels: Subscribers of each channel that is asked for and has any.
        complete: Whether every such channel is there.
    """

    subscribers: int
    channels: Mapping[str, int]
    complete: bool


def subscribers(hub: Hub, tenant: str, channel: str) -> int:
    """Return how many sessions of this node have a channel in their list."""
    return sum(map(_size, feeds_of(hub, tenant, channel)))


def headcount(hub: Hub, question: Question) -> Counted:
    """Count the subscribers of this node."""
    tenant = question.tenant
    everybody = 0
    if question.is_whole:
        everybody = sum(_size(feed) for feed in hub.feeds if feed.tenant == tenant)
    names: Iterable[str] = question.names
    if question.prefix is not None:
        known = next((state for state in hub.tenants if state.name == tenant), None)
        names = [name for name in (known.channels if known else ()) if question.concerns(name)]
    channels, complete = counted((name, subscribers(hub, tenant, name)) for name in names)
    return Counted(everybody, channels, complete)


def _size(feed: Feed) -> int:
    """Return how many subscribers a feed has, without looking at each of them."""
    if feed.encoder.transport == INTERNAL:
        return 0
    return len(feed.lagging) + sum(len(cohort.members) for cohort in feed.cohorts)


def feeds_of(hub: Hub, tenant: str, channel: str) -> Iterable[Feed]:
    """Return the feeds of this node that have a channel in their list."""
    if channel == PING_CHANNEL:  # no announcements, so it is in no ring
        return [feed for feed in hub.feeds if feed.tenant == tenant and channel in feed.names]
    known = next((state for state in hub.tenants if state.name == tenant), None)
    ring = known.channels.get(channel) if known else None
    return [feed for feeds in ring.feeds.values() for feed in feeds] if ring else []
