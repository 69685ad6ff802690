"""Mounts of the internal listener: where back ends publish and ask for statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from broker.core.mounts import Mount
from broker.core.ring import Retention
from broker.core.rules import Pattern

Bodies = Literal["auto", "json", "text"]
"""How a publisher's bodies are taken: by their type and what they hold, as JSON, as text."""

PUBLISHER_MODES = ("publisher", "nchan_publisher")
"""The dialects in which publishers are answered."""

STATISTICS_MODE = "statistics"
"""What shows how much there is."""

INTERNAL_HEADS = frozenset(
    {
        *("asyncapi.json", "channels", "console", "docs", "explain", "healthz", "metrics", "nodes"),
        *("openapi.json", "publish", "readyz", "revocations", "revoke", "sessions", "stats"),
        "tokens",
    }
)
"""First segments of the internal listener's own paths: no mount can take their place."""


@dataclass(frozen=True, slots=True)
class PublisherMount(Mount):
    """
    Publishers under one path, and what becomes of their messages.

    A message is kept as long as the channel's rule says, or less where the mount says so. As in
    any ring, who publishes last decides: a message that is not stored ends the history before it,
    and whoever comes back from there is told of a gap.

    Attributes:
        prefix: Put before every name of a channel.
        allow: Patterns that a channel must match, one of them; any channel where there is none.
        delete: Whether DELETE is answered.
        store: Whether messages are kept at all.
        messages: Messages kept of a channel at most; None for what its rule says.
        message_ttl_s: Seconds for which they are kept at most; None for what its rule says.
        info: Whether a publish is answered with the state of its channels.
        body: How bodies are taken.
        backtrack: Whether `.bN` behind a name is left out, as subscribers may write it.

    Source: push-stream reference, sections 3.2 and 6.
    """

    prefix: str = ""
    allow: tuple[Pattern, ...] = ()
    delete: bool = False
    store: bool = True
    messages: int | None = None
    message_ttl_s: int | None = None
    info: bool = True
    body: Bodies = "auto"
    backtrack: bool = False

    def allows(self, channel: str) -> bool:
        """Tell whether a channel is published to here at all."""
        return not self.allow or any(pattern.match(channel) is not None for pattern in self.allow)

    def retention(self, rule: Retention) -> Retention:
        """Return how much is kept of a channel whose rule says so much."""
        if not self.store:
            return Retention(0, 0)
        messages, age_s = rule
        if self.messages is not None:
            messages = min(messages, self.messages)
        if self.message_ttl_s is not None:
            age_s = min(age_s, self.message_ttl_s)
        return Retention(messages, age_s)


@dataclass(frozen=True, slots=True)
class StatisticsMount(Mount):
    """
    Statistics under one path.

    Attributes:
        alone: Whether only the asked node counts; otherwise all nodes do.

    Source: push-stream reference, section 12.
    """

    alone: bool = False


STANDARD_PUBLISHERS: tuple[Mount, ...] = (
    PublisherMount("/pub", "publisher", argument="id", delete=True),
    StatisticsMount("/channels-stats", STATISTICS_MODE, argument="id"),
)
"""What back ends find where nothing else is said (`design.md` section 7)."""
