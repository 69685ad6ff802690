"""Channel names, and the list of them in the path of a request."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes
import re

from broker.core.errors import BadChannel, TooManyChannels

RESERVED = "ALL"
"""A name that statistics use for every channel, as in the module."""

_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SHOWN_CHARACTERS = 60


def parse_channels(
    path: str, limit: int, max_bytes: int, setting: str | None = None
) -> tuple[str, ...]:
    """
    Read the channel list of a request, in its order, each name once.

    The path is decoded once and then split, so an encoded slash separates like a plain one. One
    slash at the end is left out. Names that come again are dropped before they are counted.

    Args:
        path: Rest of the URL's path behind the mount, still percent-encoded. Bytes that were not
            UTF-8 may stand in it as surrogates (`surrogateescape`).
        limit: Channels in one request at most.
        max_bytes: UTF-8 bytes in one name at most.
        setting: The setting that sets `limit`, where one does.

    Raises:
        BadChannel: The list is empty, or a name in it is malformed.
        TooManyChannels: It names more than `limit` different channels.

    Source: D12, D13; push-stream reference, section 5.
    """
    text = _decode(path) if "%" in path or not path.isascii() else path
    text = text.removesuffix("/")
    if not text:
        raise BadChannel("the path names no channel", field="channels")
    names = tuple(dict.fromkeys(text.split("/")))
    if len(names) > limit:
        raise TooManyChannels(
            f"{len(names)} channels are too many for one request; at most {limit} are served",
            field="channels",
            limit=limit,
            setting=setting,
        )
    for name in names:
        check_channel(name, max_bytes)
    return names


def check_channel(name: str, max_bytes: int) -> None:
    """
    Refuse what cannot be the name of a channel.

    Args:
        name: The name, decoded.
        max_bytes: UTF-8 bytes in the name at most.

    Raises:
        BadChannel: The name is empty, reserved or too long, or holds `*`, a slash or a control
            character.

    Source: dashly-rts 2.4 and section 3; push-stream reference, section 5.
    """
    fault = _fault(name)
    if fault:
        raise BadChannel(f"{fault}: {shown(name)}", field="channels")
    size = len(name) if name.isascii() else len(name.encode())
    if size > max_bytes:
        raise BadChannel(
            f"a channel name of {size} bytes is too long, the limit is {max_bytes}: {shown(name)}",
            field="channels",
            limit=max_bytes,
            setting="max_channel_bytes",
        )


def shown(name: str) -> str:
    """Return a name in quotes for an error text: shortened, with control characters escaped."""
    short = name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}..."
    return f'"{_FORBIDDEN.sub(_escaped, short)}"'


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _fault(name: str) -> str:
    if not name:
        return "a channel name is empty"
    if "*" in name:
        return "a channel name cannot hold an asterisk"
    if "/" in name:
        return "a channel name cannot hold a slash"
    if name == RESERVED:
        return "the channel name is reserved"
    if _FORBIDDEN.search(name):
        return "a channel name cannot hold control characters"
    return ""


def _decode(path: str) -> str:
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as exc:
        raise BadChannel("the channel list is not UTF-8", field="channels") from exc
    if _BAD_ESCAPE.search(raw):
        raise BadChannel(
            "a percent sign in the channel list must be followed by two hexadecimal digits",
            field="channels",
        )
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as exc:
        raise BadChannel("the channel list is not UTF-8 after decoding", field="channels") from exc
