"""Headcounts: how many subscribers a node has, and those of several nodes together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import nsmallest
from typing import NamedTuple

from broker.core.nodes import NodeId

MAX_COUNTED = 10_000
"""Channels of one headcount: about half a megabyte of names; further ones are left out."""


class Question(NamedTuple):
    """
    What is asked of every node.

    Attributes:
        tenant: Whose subscribers.
        names: Channels to count, by name.
        prefix: Where it is given, channels to count are all that begin with it. With neither, only
            subscribers are counted.
    """

    tenant: str
    names: tuple[str, ...] = ()
    prefix: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is about everything of the tenant, or, naming nothing, about everybody."""
        return self.prefix == "" or (self.prefix is None and not self.names)

    def concerns(self, channel: str) -> bool:
        """Tell whether a channel is asked for."""
        if self.prefix is not None:
            return channel.startswith(self.prefix)
        return channel in self.names


class Headcount(NamedTuple):
    """
    What one node answers.

    Attributes:
        node: Name of the node.
        host: Its machine.
        pid: Its process.
        uptime_s: Seconds since it began.
        subscribers: Its subscribers of the tenant, where the question is about everything; else 0.
        channels: Subscribers of each channel that is asked for; those without any may be missing.
        complete: Whether every such channel is there.
    """

    node: str
    host: str
    pid: int
    uptime_s: int
    subscribers: int
    channels: Mapping[str, int]
    complete: bool = True


class Population(NamedTuple):
    """
    What several nodes answered together.

    Attributes:
        counts: One headcount per node that answered, the asked one first.
        silent: Nodes that did not answer in time, now or not long ago; what they have is missing.
    """

    counts: tuple[Headcount, ...]
    silent: tuple[NodeId, ...] = ()

    @property
    def subscribers(self) -> int:
        """Subscribers of the tenant, where the question was about everything."""
        return sum(count.subscribers for count in self.counts)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.silent and all(count.complete for count in self.counts)

    def channels(self) -> Mapping[str, int]:
        """Return the subscribers of each channel that has any."""
        total: Counter[str] = Counter()
        for count in self.counts:
            total.update(count.channels)
        return total


def counted(subscribers: Iterable[tuple[str, int]]) -> tuple[Mapping[str, int], bool]:
    """
    Return channels with their subscribers, the first by name where there are too many.

    Args:
        subscribers: Channels and how many each has; those with none are left out.

    Returns:
        The channels, and whether none was left out for want of room.
    """
    found = {name: count for name, count in subscribers if count}
    if len(found) <= MAX_COUNTED:
        return found, True
    return {name: found[name] for name in nsmallest(MAX_COUNTED, found)}, False


def decode_question(members: Mapping[str, object]) -> Question:
    """
    Read a question from the members of its JSON.

    Raises:
        ValueError: It is none.
    """
    match members:
        case {"tenant": str(tenant), "names": list(names), "prefix": None | str() as prefix}:
            return Question(tenant, tuple(map(str, names)), prefix)
    raise ValueError("that is no question")


def decode_headcount(members: Mapping[str, object]) -> Headcount:
    """
    Read a headcount from the members of its JSON.

    Raises:
        ValueError: It is none.
    """
    match members:
        case {
            "node": str(node),
            "host": str(host),
            "pid": int(pid),
            "uptime_s": int(uptime_s),
            "subscribers": int(subscribers),
            "channels": dict(channels),
            "complete": bool(complete),
        }:
            found = {str(name): int(count) for name, count in channels.items()}
            return Headcount(node, host, pid, uptime_s, subscribers, found, complete)
    raise ValueError("that is no headcount")
