"""Rendering: from a template and a message to bytes."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import orjson

from broker.core.cursor import http_date
from broker.core.message import Message
from broker.core.notices import as_shown
from broker.core.quoting import Quoting
from broker.core.templates import Template, Word

Render = Callable[[Message], bytes]
"""Makes bytes of a message."""

_Value = Callable[[Message], bytes]

_UNSAFE_IN_SCRIPTS = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    (b"'", b"\\u0027"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
"""What could end a string or the script itself; in JSON all of it stands in strings only."""


def renderer(template: Template) -> Render:
    """Compile a template."""
    parts = [part.encode() if isinstance(part, str) else _value(part) for part in template.parts]

    def render(message: Message) -> bytes:
        shown = as_shown(message)
        return b"".join([part if isinstance(part, bytes) else part(shown) for part in parts])

    return render


def plain_text(message: Message) -> bytes:
    """Return the characters of a message that is a JSON string, else its JSON text."""
    body = message.body
    return orjson.loads(body).encode() if body.startswith(b'"') else body


def script_safe(json: bytes) -> bytes:
    """Return a JSON text, or a part of one, as it may stand in a script of a page."""
    for unsafe, safe in _UNSAFE_IN_SCRIPTS:
        json = json.replace(unsafe, safe)
    return json


def _value(word: Word) -> _Value:
    number = _NUMBERS.get(word.name)
    if number is not None:
        return number
    if word.name == "text":
        return _TEXTS[word.quoting]
    text, write = _NAMES[word.name], _WRITERS[word.quoting]
    return lambda message: write(text(message))


_NUMBERS: dict[str, _Value] = {
    "id": lambda message: b"%d" % message.id,
    "tag": lambda message: b"%d" % message.cursor.tag,
    "size": lambda message: b"%d" % len(plain_text(message)),
}
"""Words whose values are digits, wherever they stand."""

_NAMES: dict[str, Callable[[Message], str]] = {
    "channel": lambda message: message.channel,
    "time": lambda message: http_date(message.cursor.time),
    "event-id": lambda message: message.event_id,
    "event-type": lambda message: message.event_type,
}
"""Words whose values are short texts."""

_WRITERS: dict[Quoting, Callable[[str], bytes]] = {
    Quoting.PLAIN: str.encode,
    Quoting.VALUE: orjson.dumps,
    Quoting.QUOTED: lambda text: orjson.dumps(text)[1:-1],
    Quoting.SCRIPT_VALUE: lambda text: script_safe(orjson.dumps(text)),
    Quoting.SCRIPT_QUOTED: lambda text: script_safe(orjson.dumps(text)[1:-1]),
    Quoting.MARKUP: lambda text: escape(text).encode(),
}


def _inside(message: Message) -> bytes:
    """Return what stands between the quotes of a JSON string with the message's text."""
    body = message.body
    return body[1:-1] if body.startswith(b'"') else orjson.dumps(body.decode())[1:-1]


_TEXTS: dict[Quoting, _Value] = {
    Quoting.PLAIN: plain_text,
    Quoting.VALUE: lambda message: message.body,
    Quoting.QUOTED: _inside,
    Quoting.SCRIPT_VALUE: lambda message: script_safe(message.body),
    Quoting.SCRIPT_QUOTED: lambda message: script_safe(_inside(message)),
    Quoting.MARKUP: lambda message: escape(plain_text(message).decode()).encode(),
}
