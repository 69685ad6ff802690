"""From the document of `channels.yaml` to its entries."""

from __future__ import annotations

from typing import NamedTuple

from broker.catalog.document import Broken, Listing, Node, Scalar, Table
from broker.catalog.problems import Problem
from broker.catalog.rule_reader import RuleReader
from broker.catalog.values import ValueReader
from broker.core.channels import check_channel, shown
from broker.core.errors import BadChannel
from broker.core.ring import Retention
from broker.core.rules import (
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_RETENTION,
    VARIABLE,
    BadPattern,
    Entry,
    Pattern,
    Rule,
    SlowPolicy,
)

VERSION = 1
"""The format that this reads."""

MAX_PATTERNS = 1000
"""Entries of one file."""

MAX_PATTERN_BYTES = 512
"""Bytes in one pattern: longer than any channel name."""

MAX_HISTORY_MESSAGES = 1_000_000
"""Messages kept per channel: a ring of them is about a gigabyte in the store."""

MAX_HISTORY_AGE_S = 30 * 86_400
"""Age of a kept message: as long as the store remembers an idle channel."""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Size of a message: one goes in one frame to every subscriber."""

_TOP_KEYS = ("version", "defaults", "channels", "mounts")
_DEFAULTS_KEYS = ("history", "max_message", "slow_reader")
_ENTRY_KEYS = (
    "name",
    "description",
    "history",
    "max_message",
    "slow_reader",
    "subscribe",
    "publish",
)
_SLOW_POLICIES = tuple(policy.value for policy in SlowPolicy)
_HISTORY_KEYS = ("messages", "age")


class _Limits(NamedTuple):
    retention: Retention = DEFAULT_RETENTION
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    slow_reader: SlowPolicy = SlowPolicy.CATCH_UP


def read_entries(document: Node, problems: list[Problem]) -> list[Entry]:
    """
    Read every entry that has a readable pattern.

    Args:
        document: The root of the file.
        problems: Takes everything that is wrong.
    """
    return _EntryReader(ValueReader(problems)).file(document)


class _EntryReader:
    """Reads the parts of the file from the outside in."""

    def __init__(self, values: ValueReader) -> None:
        self._values = values
        self._report = values.report

    def file(self, node: Node) -> list[Entry]:
        if isinstance(node, Scalar) and node.is_null:
            self._report(node.place, "the file is empty; it needs the list channels")
            return []
        top = self._values.table(node, "the file", _TOP_KEYS)
        if "version" in top:
            self._values.number(top["version"], "version", VERSION, VERSION)
        limits = _Limits()
        if "defaults" in top:
            defaults = self._values.table(top["defaults"], "defaults", _DEFAULTS_KEYS)
            limits = self._limits(defaults, limits)
        if "channels" in top:
            return self._channels(top["channels"], limits)
        if isinstance(node, Table):
            self._report(node.place, "the file has no list channels")
        return []

    def _channels(self, node: Node, limits: _Limits) -> list[Entry]:
        items = self._values.listing(node, "channels", MAX_PATTERNS)
        if isinstance(node, Listing) and not items:
            self._report(node.place, "channels is empty; nobody could read anything")
        entries = [self._entry(item, limits) for item in items]
        return [entry for entry in entries if entry is not None]

    def _entry(self, node: Node, defaults: _Limits) -> Entry | None:
        if isinstance(node, Scalar) and not node.is_null:
            self._report(node.place, f"an entry is a mapping; write name: {node.text}")
            return None
        table = self._values.table(node, "an entry", _ENTRY_KEYS)
        name = table.get("name", Broken(node.place))
        if "name" not in table and isinstance(node, Table):
            self._report(node.place, "the entry has no name")
        pattern = self._pattern(name)
        limits = self._limits(table, defaults)
        public, subscribe, publish = self._access(table, pattern)
        description = ""
        if "description" in table:
            description = self._values.text(table["description"], "description") or ""
        if pattern is None:
            return None
        return Entry(
            pattern,
            name.place,
            description,
            limits.retention,
            limits.max_message_bytes,
            public,
            subscribe,
            publish,
            limits.slow_reader,
        )

    def _pattern(self, node: Node) -> Pattern | None:
        text = self._values.text(node, "name")
        if text is None:
            return None
        try:
            pattern = Pattern(text)
            check_channel(VARIABLE.sub("x", text), MAX_PATTERN_BYTES)
        except BadPattern as exc:
            self._report(node.place, str(exc))
        except BadChannel as exc:
            self._report(node.place, f"no channel can match the pattern {shown(text)}: {exc}")
        else:
            return pattern
        return None

    def _limits(self, table: dict[str, Node], defaults: _Limits) -> _Limits:
        retention, max_message_bytes, slow_reader = defaults
        if "history" in table:
            retention = self._history(table["history"], retention)
        if "max_message" in table:
            max_message_bytes = self._values.size(
                table["max_message"], "max_message", MAX_MESSAGE_BYTES
            )
        if "slow_reader" in table:
            word = self._values.choice(table["slow_reader"], "slow_reader", _SLOW_POLICIES)
            slow_reader = slow_reader if word is None else SlowPolicy(word)
            self._check_conflated(table["slow_reader"], slow_reader, retention)
        elif "history" in table:
            self._check_conflated(table["history"], slow_reader, retention)
        return _Limits(retention, max_message_bytes, slow_reader)

    def _check_conflated(self, node: Node, policy: SlowPolicy, retention: Retention) -> None:
        """Refuse to conflate what is not kept: there is no newest message to go on from."""
        if policy is SlowPolicy.CONFLATE and not retention.messages:
            self._report(
                node.place,
                "slow_reader cannot be conflate where history keeps no message; it needs one",
            )

    def _history(self, node: Node, default: Retention) -> Retention:
        table = self._values.table(node, "history", _HISTORY_KEYS)
        messages, age_s = default
        if "messages" in table:
            messages = self._values.number(table["messages"], "messages", 0, MAX_HISTORY_MESSAGES)
        if "age" in table:
            age_s = self._values.duration(table["age"], "age", MAX_HISTORY_AGE_S)
        return Retention(messages, age_s)

    def _access(
        self, table: dict[str, Node], pattern: Pattern | None
    ) -> tuple[bool, tuple[Rule, ...], tuple[Rule, ...]]:
        rules = RuleReader(self._values, pattern)
        public = False
        subscribe: tuple[Rule, ...] = ()
        publish: tuple[Rule, ...] = ()
        if "subscribe" in table:
            public, subscribe = rules.subscribe(table["subscribe"])
        if "publish" in table:
            publish = rules.publish(table["publish"])
        return public, subscribe, publish
