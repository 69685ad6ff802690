"""The keys of mounts for subscribers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from broker.catalog.document import Node
from broker.catalog.mounts.kind import MountKind, Site
from broker.catalog.mounts.values import MountValues
from broker.catalog.rule_reader import RuleReader
from broker.core.mounts import (
    CONTENT_TYPES,
    STANDARD_SUBSCRIBERS,
    CursorArguments,
    Mount,
    SubscriberMount,
    Texts,
    Wildcard,
)
from broker.core.rules import Pattern, Rule
from broker.core.templates import (
    MAX_TEMPLATE_CHARACTERS,
    BadTemplate,
    Template,
    parse_template,
)

MAX_CHANNELS = 1000
"""Channels of one request, as the setting `max_channels` has it."""

MAX_CHANNEL_BYTES = 1024
"""Bytes of one name, as the setting `max_channel_bytes` has it."""

MAX_HOLD_S = 3600
"""Seconds of a hold, as the setting `longpoll_timeout_s` has it."""

MAX_TTL_S = 7 * 86_400
"""Seconds of a connection: whoever wants longer ones wants none."""

_MAX_TEXT = 1024
_Reader = Callable[[Node, str], object]
_FLAGS = (
    *("backtrack", "backlog", "stored_only", "timeout_body", "jsonp", "compress"),
    *("mode_header", "publish", "nchan"),
)
_WORDS = {
    "prefix": _MAX_TEXT,
    "header": MAX_TEMPLATE_CHARACTERS,
    "footer": MAX_TEMPLATE_CHARACTERS,
    "separator": 16,
}
_NUMBERS = {"max_channels": MAX_CHANNELS, "max_channel_bytes": MAX_CHANNEL_BYTES}
_DURATIONS = {"hold": MAX_HOLD_S, "ttl": MAX_TTL_S}
_FIELDS = {"hold": "hold_s", "ttl": "ttl_s"}
_NO_PATTERN = Pattern("mount")
_HTML = "text/html"

_ANY = (
    *("prefix", "allow", "subscribe", "max_channels", "max_channel_bytes", "backtrack"),
    *("backlog", "wildcard", "stored_only", "cursor", "template"),
)
_BODY = ("separator", "content_type", "compress", "header", "footer")
_STREAM = ("ttl", "texts")
_KEYS = {
    "websocket": (*_ANY, *_STREAM, "header", "footer", "publish", "nchan"),
    "longpoll": (*_ANY, *_BODY, "texts", "hold", "timeout_body", "jsonp", "nchan"),
    "shortpoll": (*_ANY, *_BODY, "jsonp", "mode_header", "hold", "nchan"),
    "eventsource": (*_ANY, *_STREAM, "header", "footer", "mode_header", "hold"),
    "stream": (*_ANY, *_BODY, *_STREAM, "mode_header", "hold"),
}


def _read(values: MountValues, site: Site, table: dict[str, Node]) -> Mount:
    """Read a mount for subscribers."""
    reader = _SubscriberReader(values, table)
    return SubscriberMount(
        site.path,
        site.mode,
        site.place,
        site.description,
        site.argument,
        site.fixed,
        **reader.fields(),
    )


class _SubscriberReader:
    """
    Reads what is special to subscribers.

    Args:
        values: Reads values and collects problems.
        table: The keys of the mount.
    """

    def __init__(self, values: MountValues, table: dict[str, Node]) -> None:
        self._values = values
        self._table = table

    def fields(self) -> dict[str, Any]:
        """Return the fields that the mount gives."""
        readers = {
            **dict.fromkeys(_FLAGS, self._values.flag),
            **{key: self._words(limit) for key, limit in _WORDS.items()},
            **{key: self._number(limit) for key, limit in _NUMBERS.items()},
            **{key: self._duration(limit) for key, limit in _DURATIONS.items()},
            "allow": self._values.patterns,
            "subscribe": self._rules,
            "wildcard": self._wildcard,
            "cursor": self._cursor,
            "content_type": self._content_type,
            "texts": self._texts,
        }
        fields = {
            _FIELDS.get(key, key): reader(self._table[key], key)
            for key, reader in readers.items()
            if key in self._table
        }
        if "template" in self._table:
            fields["template"] = self._template(self._table["template"], fields)
        return fields

    def _words(self, limit: int) -> _Reader:
        return lambda node, key: self._values.words(node, key, limit)

    def _number(self, high: int) -> _Reader:
        return lambda node, key: self._values.number(node, key, 1, high)

    def _duration(self, high_s: int) -> _Reader:
        return lambda node, key: self._values.duration(node, key, high_s)

    def _template(self, node: Node, fields: dict[str, Any]) -> Template | None:
        page = fields.get("content_type") == _HTML
        text = self._values.words(node, "template")
        try:
            return parse_template(text, page=page, before=fields.get("header", ""))
        except BadTemplate as exc:
            self._values.report(node.place, str(exc))
            return None

    def _content_type(self, node: Node, key: str) -> str:
        found = self._values.choice(node, key, CONTENT_TYPES)
        if found == _HTML and "template" not in self._table:
            self._values.report(node.place, f"{_HTML} needs a template: envelopes are no page")
        return found or CONTENT_TYPES[0]

    def _rules(self, node: Node, key: str) -> tuple[Rule, ...]:  # noqa: ARG002 - there is one
        public, rules = RuleReader(self._values, _NO_PATTERN).subscribe(node)
        if public:
            self._values.report(
                node.place, "a mount narrows what channels allow; leave subscribe out for anyone"
            )
        return rules

    def _wildcard(self, node: Node, key: str) -> Wildcard:
        table = self._values.table(node, key, Wildcard._fields)
        for name in Wildcard._fields:
            if name not in table:
                self._values.report(node.place, f"{key} has no {name}")
        prefix, most = "", 1
        if "prefix" in table:
            prefix = self._values.text(table["prefix"], "prefix") or ""
        if "most" in table:
            most = self._values.number(table["most"], "most", 1, MAX_CHANNELS)
        return Wildcard(prefix, most)

    def _cursor(self, node: Node, key: str) -> CursorArguments:
        table = self._values.table(node, key, CursorArguments._fields)
        return CursorArguments(
            **{name: self._values.argument(value, name) for name, value in table.items()}
        )

    def _texts(self, node: Node, key: str) -> Texts:
        table = self._values.table(node, key, Texts._fields)
        return Texts(
            **{name: self._values.words(value, name, _MAX_TEXT) for name, value in table.items()}
        )


SUBSCRIBING = MountKind("public", _KEYS, _read, STANDARD_SUBSCRIBERS)
"""Mounts for subscribers."""
