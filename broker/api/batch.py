"""Batches: many messages in one request, as a JSON array or as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from broker.api.headers import MAX_EVENT_ID_BYTES, MAX_EVENT_TYPE_BYTES, event_fault, type_fault
from broker.api.targets import Targets, too_large
from broker.core.bodies import element_texts, member_text, parse_json
from broker.core.channels import shown
from broker.core.errors import BadBody, BrokerError, TooManyChannels
from broker.core.message import Draft
from broker.core.ring import Retention

_MEMBERS = ("channel", "channels", "message", "event_id", "event_type")
_KNOWN = frozenset(_MEMBERS)
_SHORTEST = 2
_ITEM = "{channel, message}"


class BatchReader:
    """
    Turns the items of a request into drafts.

    Args:
        targets: Where messages may go.
        max_messages: Messages of one request at most; one to several channels counts for each.
        max_channels: Channels of one message at most.

    Attributes:
        drafts: The messages so far.
        retentions: Retention of each draft's channel.
    """

    def __init__(self, targets: Targets, max_messages: int, max_channels: int) -> None:
        self._targets = targets
        self._max_messages = max_messages
        self._max_channels = max_channels
        self._items = 0
        self.drafts: list[Draft] = []
        self.retentions: list[Retention] = []

    def split_lines(self, body: bytes) -> list[bytes]:
        """
        Cut a body into lines, blank ones included.

        Raises:
            BadBody: There are more lines than messages in a request.
        """
        if body.count(b"\n") > self._max_messages:
            raise self._too_many("lines")
        return body.split(b"\n")

    def split_array(self, body: bytes) -> list[tuple[bytes, object]]:
        """
        Cut a JSON array into its elements, each as text and value.

        Raises:
            BadBody: It is not JSON, no array, or has more elements than messages in a request.
        """
        values = parse_json(body)
        if not isinstance(values, list):
            raise BadBody(
                f"an array of {_ITEM} is wanted, or lines of {_ITEM} as application/x-ndjson"
            )
        if len(values) > self._max_messages:
            raise self._too_many("elements")
        return list(zip(element_texts(body, values), values, strict=True))

    def add_lines(self, lines: Iterable[bytes], first: int) -> None:
        """
        Take lines; blank ones count as lines and are no messages.

        Args:
            lines: The lines.
            first: Number of the first, from 1.

        Raises:
            BrokerError: One cannot be taken; the error names the line.
        """
        for number, line in enumerate(lines, first):
            if not line or line.isspace():
                continue
            try:
                self._add(line, parse_json(line, "it"))
            except BrokerError as error:
                error.within(f"line {number}", self._items)
                raise
            self._items += 1

    def add_elements(self, elements: Iterable[tuple[bytes, object]]) -> None:
        """
        Take elements of an array.

        Raises:
            BrokerError: One cannot be taken; the error names its index.
        """
        for text, value in elements:
            try:
                self._add(text, value)
            except BrokerError as error:
                error.within(f"element {self._items}", self._items)
                raise
            self._items += 1

    def finish(self) -> None:
        """
        Check what only the whole can show.

        Raises:
            BadBody: There was no message.
        """
        if not self.drafts:
            raise BadBody("there is no message in the body")

    def _add(self, text: bytes, item: object) -> None:
        if not isinstance(item, dict):
            raise BadBody(f"an object {_ITEM} is wanted, not {_kind(item)}")
        if "message" not in item or not item.keys() <= _KNOWN:
            raise _wrong_members(item)
        body = member_text(text, item, "message")
        channel = item.get("channel")
        if len(item) == _SHORTEST and type(channel) is str:
            self._draft(channel, body, "", "")
            return
        event_id = _event(item, "event_id", MAX_EVENT_ID_BYTES)
        event_type = _event(item, "event_type", MAX_EVENT_TYPE_BYTES)
        for name in self._channels(item):
            self._draft(name, body, event_id, event_type)

    def _draft(self, channel: str, body: bytes, event_id: str, event_type: str) -> None:
        target = self._targets[channel]
        if len(body) > target.max_bytes:
            raise too_large(channel, target, len(body))
        if len(self.drafts) >= self._max_messages:
            raise self._too_many("messages")
        self.drafts.append(Draft(channel, body, event_id, event_type))
        self.retentions.append(target.retention)

    def _channels(self, item: dict[str, object]) -> Sequence[str]:
        if ("channel" in item) == ("channels" in item):
            raise BadBody("an item names either channel or channels", field="channel")
        if "channel" in item:
            return [_text(item["channel"], "channel")]
        names = item["channels"]
        if not isinstance(names, list) or not names:
            raise BadBody("channels must be an array of names", field="channels")
        unique = list(dict.fromkeys(_text(name, "channels") for name in names))
        if len(unique) > self._max_channels:
            raise TooManyChannels(
                f"{len(unique)} channels are too many for one message; the limit is "
                f"{self._max_channels}",
                field="channels",
                limit=self._max_channels,
                setting="max_publish_channels",
            )
        return unique

    def _too_many(self, what: str) -> BadBody:
        return BadBody(
            f"there are too many {what} for one request; the limit is {self._max_messages} "
            "(max_batch_messages)",
            limit=self._max_messages,
            setting="max_batch_messages",
        )


def _wrong_members(item: dict[str, object]) -> BadBody:
    for name in item:
        if name not in _KNOWN:
            near = get_close_matches(name, _MEMBERS, n=1)
            return BadBody(
                f"the member {shown(name)} is not known; an item has {', '.join(_MEMBERS)}",
                field=shown(name)[1:-1],
                nearest=near[0] if near else None,
            )
    return BadBody("the member message is missing", field="message")


def _event(item: dict[str, object], name: str, limit: int) -> str:
    if name not in item:
        return ""
    text = _text(item[name], name)
    fault = event_fault(text, limit) if name == "event_id" else type_fault(text)
    if fault:
        raise BadBody(f"{name} cannot be used: {fault}", field=name, limit=limit)
    return text


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise BadBody(f"{name} must be text, not {_kind(value)}", field=name)
    return value


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "an array"
    return "an object"
