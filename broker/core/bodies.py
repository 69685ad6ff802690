"""
Message bodies: JSON as publishers write it, checked and made compact without changing a value.

What is stored is the publisher's own text less the white space between its parts: no number is
rounded, no escape rewritten, no member dropped or moved. Compact JSON holds no raw line feed, so
messages can be told apart by one (D21, D48).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import re

import orjson

from broker.core.channels import shown
from broker.core.errors import BadBody

MAX_DEPTH = 500
"""
Levels of arrays and objects in a message, one in another.

An envelope adds one, and what a client puts around that a few more: together they stay within the
512 that PHP's parser reads by default. Python's orjson reads 1,024, Java's Jackson 1,000.
"""

_LEVEL_BYTES = 2
_PARSED_DEPTH = 1024
_OPEN, _CLOSE = b"[" * (_PARSED_DEPTH - MAX_DEPTH), b"]" * (_PARSED_DEPTH - MAX_DEPTH)

_BLANKS = b" \t\r\n"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_DENSE = re.compile(rb'(?:[^" \t\r\n]++|%b)++' % _STRING)
_STRUCTURE = re.compile(rb"%b|[{}\[\],]" % _STRING)
_PLAIN = rb'"[^"\\]*+"'
_LAST = re.compile(rb"\{(?:%b:%b,)*+(%b):" % (_PLAIN, _PLAIN, _PLAIN))
_MEMBER = re.compile(rb"(%b):(.*)" % _STRING, re.DOTALL)
_QUOTE, _COMMA = b'",'
_OPENING = b"{["


def parse_json(text: bytes, what: str = "the body") -> object:
    """
    Read JSON.

    Args:
        text: JSON in UTF-8.
        what: What the text is, for the refusal.

    Raises:
        BadBody: It is not JSON, not UTF-8, holds half of a surrogate pair or a number that no
            double can hold, or is nested more than 1,024 deep; the error says where.

    Source: RFC 8259; dashly-rts 3, "Payload that is not JSON".
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise _not_json(text, exc, what) from exc


def compact_json(text: bytes) -> bytes:
    """
    Check a message and take out the white space between its parts; nothing else changes.

    Raises:
        BadBody: see `parse_json` and `check_depth`.
    """
    value = parse_json(text)
    check_depth(text)
    return text if _is_canonical(text, value) else _dense(text)


def check_depth(text: bytes) -> None:
    """
    Refuse JSON that clients cannot read inside its envelope.

    Args:
        text: JSON that was read already.

    Raises:
        BadBody: It is nested more than `MAX_DEPTH` deep.
    """
    if len(text) <= _LEVEL_BYTES * MAX_DEPTH or text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return
    try:
        orjson.loads(_OPEN + text + _CLOSE)  # which is as deep as it reads
    except orjson.JSONDecodeError:
        raise BadBody(
            f"the message is nested more than {MAX_DEPTH} levels deep",
            field="message",
            limit=MAX_DEPTH,
        ) from None


def member_text(text: bytes, value: Mapping[str, object], name: str) -> bytes:
    """
    Return one member of a JSON object as its own compact text.

    Args:
        text: JSON of the object.
        value: What `parse_json` made of it.
        name: Name of a member that it has.

    Raises:
        BadBody: The object names a member twice, or the member is nested too deep.
    """
    member = _member_text(text, value, name)
    check_depth(member)
    return member


def _member_text(text: bytes, value: Mapping[str, object], name: str) -> bytes:
    if not _is_canonical(text, value):
        text = _dense(text)
        if not _is_canonical(text, value):
            return _last_member(text, len(value), name) or _members(text)[name]
    return orjson.dumps(value[name])


def element_texts(text: bytes, values: Sequence[object]) -> list[bytes]:
    """
    Return the elements of a JSON array, each as its own compact text.

    Args:
        text: JSON of the array.
        values: What `parse_json` made of it.
    """
    if not _is_canonical(text, values):
        text = _dense(text)
        if not _is_canonical(text, values):
            return list(_parts(text))
    return [orjson.dumps(value) for value in values]


def quote_text(text: bytes) -> bytes:
    """
    Return plain text as a JSON string.

    Raises:
        BadBody: It is not UTF-8.
    """
    try:
        return orjson.dumps(text.decode())
    except UnicodeDecodeError as exc:
        raise BadBody(f"the body is not UTF-8: byte {exc.start + 1} cannot be read") from exc


def _is_canonical(text: bytes, value: object) -> bool:
    """
    Tell whether JSON is exactly what writing its value yields.

    Such a text is compact and names no member twice, and so do all its parts: writing a part of
    the value gives the part's own text. This costs a fifth of looking for white space.
    """
    try:
        return orjson.dumps(value) == text
    except orjson.JSONEncodeError:  # nested deeper than can be written
        return False


def _dense(text: bytes) -> bytes:
    """Return valid JSON without the white space outside its strings."""
    if b'\\"' in text:
        return b"".join(_DENSE.findall(text))
    # Every quote begins or ends a string: what stands outside are the even pieces.
    pieces = text.split(b'"')
    pieces[::2] = b'"'.join(pieces[::2]).translate(None, _BLANKS).split(b'"')
    return b'"'.join(pieces)


def _parts(text: bytes) -> Iterator[bytes]:
    """Cut a compact object or array, not an empty one, at its own commas."""
    depth, start = 0, 1
    for token in _STRUCTURE.finditer(text):
        at = token.start()
        sign = text[at]
        if sign == _QUOTE:
            continue
        if sign == _COMMA:
            if depth == 1:
                yield text[start:at]
                start = at + 1
        else:
            depth += 1 if sign in _OPENING else -1
    yield text[start:-1]


def _last_member(text: bytes, count: int, name: str) -> bytes:
    """
    Return a member of a compact object if it is the last and the others are plain strings.

    That is how most publishers write, and twice as fast as looking at every part. It is certain:
    what follows the name is one JSON value, and with the names before it makes up the count.
    """
    head = _LAST.match(text)
    if head is None or head[1] != b'"%b"' % name.encode():
        return b""
    if head[0].count(b'"') != 4 * count - 2:  # two in every name and in every value before it
        return b""
    member = text[head.end() : -1]
    try:
        orjson.loads(member)
    except orjson.JSONDecodeError:
        return b""
    return member


def _members(text: bytes) -> dict[str, bytes]:
    """Cut a compact object into its members."""
    members: dict[str, bytes] = {}
    for part in _parts(text):
        quoted, member = _MEMBER.findall(part)[0]
        name = orjson.loads(quoted)
        if name in members:
            raise BadBody(f"the member {shown(name)} comes twice", field=name)
        members[name] = member
    return members


def _not_json(text: bytes, exc: orjson.JSONDecodeError, what: str) -> BadBody:
    if not text.strip(_BLANKS):
        return BadBody(f"{what} is empty; JSON is wanted")
    try:
        text.decode()
    except UnicodeDecodeError as broken:
        return BadBody(f"{what} is not UTF-8: byte {broken.start + 1} cannot be read")
    return BadBody(f"{what} is not JSON: {exc.msg}, at line {exc.lineno}, column {exc.colno}")
