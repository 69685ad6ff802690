"""The headers of a publish request: what is to be stored with it, and on what condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
import re

from broker.core.cursor import Cursor, parse_tag
from broker.core.errors import BadCursor, BadHeader

MAX_EVENT_ID_BYTES = 128
"""Bytes in an event's id: a UUID or two, or a path of ids."""

MAX_EVENT_TYPE_BYTES = 64
"""Bytes in an event's type: a name such as `conversation.reply`."""

MAX_IDEMPOTENCY_KEY_CHARS = 128
"""Characters in an idempotency key: a UUID or a digest, with a prefix."""

RESERVED_EVENT_TYPES = frozenset({"gap", "close"})
"""What event streams call events of their own: clients could not tell messages from them."""

IDEMPOTENCY_KEY = "Idempotency-Key"
EVENT_ID = "Event-Id"
EVENT_TYPE = "Event-Type"
IF_MATCH = "If-Match"

_VISIBLE = re.compile(r"[!-~]+", re.ASCII)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_QUOTED = re.compile(r'(?:W/)?"?([^"]*)"?')


class PublishHeaders(NamedTuple):
    """
    What a publish request says beside its body.

    Attributes:
        event_id: The publisher's own id of the event, or empty.
        event_type: The publisher's name for the kind of event, or empty.
        if_match: Tag or cursor that the channel's last message must have, or empty.
        idempotency_key: The publisher's key for this request, or empty.
    """

    event_id: str = ""
    event_type: str = ""
    if_match: str = ""
    idempotency_key: str = ""


NO_HEADERS = PublishHeaders()


def read_headers(headers: Mapping[str, str]) -> PublishHeaders:
    """
    Read the headers of a publish request.

    Raises:
        BadHeader: One has a value that cannot be used.
    """
    event_id = headers.get(EVENT_ID, "")
    event_type = headers.get(EVENT_TYPE, "")
    if_match = headers.get(IF_MATCH)
    key = headers.get(IDEMPOTENCY_KEY)
    if not (event_id or event_type) and if_match is None and key is None:
        return NO_HEADERS
    _check_event(event_fault(event_id, MAX_EVENT_ID_BYTES), EVENT_ID, MAX_EVENT_ID_BYTES)
    _check_event(type_fault(event_type), EVENT_TYPE, MAX_EVENT_TYPE_BYTES)
    return PublishHeaders(
        event_id,
        event_type,
        "" if if_match is None else _last(if_match),
        "" if key is None else _key(key),
    )


def event_fault(text: str, limit: int) -> str:
    """
    Tell what is wrong with an event's id or type; empty where nothing is.

    Args:
        text: The id or type.
        limit: UTF-8 bytes in it at most.
    """
    if _UNPRINTABLE.search(text):
        return "it cannot hold control characters, and must be UTF-8"
    size = len(text.encode())
    return f"it is {size} bytes long, the limit is {limit}" if size > limit else ""


def type_fault(text: str) -> str:
    """Tell what is wrong with an event's type; empty where nothing is."""
    if text in RESERVED_EVENT_TYPES:
        return (
            f"event streams call events of their own {' and '.join(sorted(RESERVED_EVENT_TYPES))}"
        )
    return event_fault(text, MAX_EVENT_TYPE_BYTES)


def _check_event(fault: str, name: str, limit: int) -> None:
    if fault:
        raise BadHeader(f"{name} cannot be used: {fault}", field=name, limit=limit)


def _key(text: str) -> str:
    if len(text) > MAX_IDEMPOTENCY_KEY_CHARS or not _VISIBLE.fullmatch(text):
        raise BadHeader(
            f"an idempotency key is 1 to {MAX_IDEMPOTENCY_KEY_CHARS} visible ASCII characters",
            field=IDEMPOTENCY_KEY,
            limit=MAX_IDEMPOTENCY_KEY_CHARS,
        )
    return text


def _last(text: str) -> str:
    """Return the tag or cursor that `If-Match` names, without its quotes."""
    quoted = _QUOTED.fullmatch(text.strip())
    name = quoted[1] if quoted else ""
    try:
        if "-" in name:
            return str(Cursor.parse(name))
        tag = parse_tag(name)
    except BadCursor:
        tag = None
    if tag is None:
        raise BadHeader(
            "If-Match must be the tag or the cursor of the channel's last message, "
            'for example 21, W/21, "21" or 1447516314-21',
            field=IF_MATCH,
        )
    return str(tag)
