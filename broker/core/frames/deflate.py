"""
Compressed messages: permessage-deflate, with nothing remembered from one message to the next.

Neither side keeps a window, so a message compressed once is the same for everybody, wherever each
one's connection began, and an idle connection holds no memory for it.

Source: RFC 7692, sections 7.1 and 7.2.
"""

from __future__ import annotations

from typing import Final
import re
import zlib

from broker.core.frames.codes import BAD_PAYLOAD, TOO_BIG, FrameError

AGREEMENT: Final = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
"""What the server answers to an offer that it takes up begins with this."""

_NAME: Final = "permessage-deflate"
_SERVER_WINDOW: Final = "server_max_window_bits"
_WIDEST: Final = f"; {_SERVER_WINDOW}=15"
_OURS: Final = re.compile(
    r"(?:(?:server|client)_no_context_takeover"
    r'|client_max_window_bits(?:="?(?:[89]|1[0-5])"?)?'
    r'|server_max_window_bits="?15"?)'
)
"""Parameters of an offer that can be met; what is written for all takes the widest window."""
_LEVEL: Final = 1
_WINDOW: Final = -15
_TAIL: Final = b"\x00\x00\xff\xff"


def agreement(extensions: str) -> str:
    """
    Return what is answered to a client that offers compression on terms that can be met.

    Args:
        extensions: Its `Sec-WebSocket-Extensions`, several lines joined by commas.

    Returns:
        `AGREEMENT`, with the server's window where the offer names one; empty where no offer can be
        met.

    Source: RFC 7692, sections 5 and 7.1.2.1 (who names the server's window is told it).
    """
    for offer in extensions.split(","):
        name, *parameters = (part.strip().replace(" ", "") for part in offer.split(";"))
        names = [parameter.partition("=")[0] for parameter in parameters]
        if (
            name == _NAME
            and all(map(_OURS.fullmatch, parameters))
            and len(set(names)) == len(names)
        ):
            return AGREEMENT + (_WIDEST if _SERVER_WINDOW in names else "")
    return ""


def deflate(payload: bytes) -> bytes:
    """Return the payload compressed."""
    squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW)
    packed = squeeze.compress(payload) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    return packed[: -len(_TAIL)]


def inflate(packed: bytes, most: int) -> bytes:
    """
    Return a client's payload as it was.

    Args:
        packed: What it sent.
        most: Bytes that it may come to; nothing beyond is unpacked.

    Raises:
        FrameError: it comes to more, or is no compressed payload.
    """
    unpack = zlib.decompressobj(_WINDOW)
    try:
        payload = unpack.decompress(packed + _TAIL, most + 1)
    except zlib.error:
        raise FrameError(BAD_PAYLOAD, "message is not compressed as it says") from None
    if len(payload) > most:
        raise FrameError(TOO_BIG, f"message is over {most} bytes")
    return payload
