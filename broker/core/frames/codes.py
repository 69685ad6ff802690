"""Opcodes, close codes and fixed sizes of the WebSocket protocol."""

from __future__ import annotations

from enum import IntEnum

NORMAL = 1000
"""The purpose of the connection is fulfilled."""

GOING_AWAY = 1001
"""The endpoint is about to vanish."""

PROTOCOL_ERROR = 1002
"""The peer broke the rules of framing."""

NO_CODE = 1005
"""Stands for a close frame without a code; never sent (RFC 6455, section 7.4.1)."""

BAD_PAYLOAD = 1007
"""A text is not UTF-8."""

POLICY = 1008
"""The peer did what it may not."""

TOO_BIG = 1009
"""A frame or message is over its limit."""

MAX_CONTROL_BYTES = 125
"""Payload of a control frame at most (RFC 6455, section 5.5)."""

MAX_REASON_BYTES = MAX_CONTROL_BYTES - 2
"""Reason of a close frame at most: what the code leaves."""

FIN = 0x80
"""Bit of the first byte: last fragment of a message."""

RESERVED = 0x70
"""Bits of the first byte that only extensions may set."""

DEFLATED = 0x40
"""The one of these that permessage-deflate sets on the first frame of a message (RFC 7692)."""

MASKED = 0x80
"""Bit of the second byte: a key follows and the payload is masked."""

LENGTH = 0x7F
"""Bits of the second byte that hold a short length."""

LENGTH_16 = 126
"""Stands for a length in the next two bytes."""

LENGTH_64 = 127
"""Stands for a length in the next eight bytes."""

_REGISTERED = frozenset({*range(1000, 1004), *range(1007, 1015)})
_LIBRARIES_AND_APPLICATIONS = range(3000, 5000)


class Opcode(IntEnum):
    """What a frame carries; from `CLOSE` on, control (RFC 6455, section 5.2)."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class FrameError(Exception):
    """
    The peer broke a rule: close with `code` and read nothing more.

    Args:
        code: Close code to answer with.
        reason: What was wrong, short enough for a close frame; never a part of the payload.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def may_be_sent(code: int) -> bool:
    """
    Tell whether a close frame may carry the code.

    Source: RFC 6455, section 7.4; IANA registry of WebSocket close codes.
    """
    return code in _REGISTERED or code in _LIBRARIES_AND_APPLICATIONS
