"""The client's side of WebSocket frames, wrong ones included, written from RFC 6455."""

from __future__ import annotations

from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

KEY = b"\x37\xfa\x21\x3d"
"""The masking key of the examples in RFC 6455, section 5.7."""


class Frame(NamedTuple):
    """A frame that a server sent."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """The code of a close frame."""
        return int.from_bytes(self.payload[:2])

    @property
    def reason(self) -> str:
        """The reason of a close frame."""
        return self.payload[2:].decode()


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    key: bytes | None = KEY,
    length: bytes | None = None,
) -> bytes:
    """
    Return a frame as a client sends it.

    Args:
        opcode: Any four bits.
        payload: Any bytes, in the clear.
        final: Whether it is the last fragment.
        reserved: The three reserved bits.
        key: Masking key; None leaves the mask out, which a client may not.
        length: The seven length bits and what follows of them, instead of the shortest form.
    """
    first = bytes(((final << 7) | (reserved << 4) | opcode,))
    size = shortest_length(len(payload)) if length is None else length
    if key is None:
        return first + size + payload
    masked = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
    return first + bytes((size[0] | 0x80,)) + size[1:] + key + masked


def shortest_length(size: int) -> bytes:
    """Return a payload's length in the shortest of the three forms."""
    if size < 126:
        return bytes((size,))
    if size < 65536:
        return b"\x7e" + size.to_bytes(2)
    return b"\x7f" + size.to_bytes(8)


def close_payload(code: int, reason: bytes = b"") -> bytes:
    """Return the payload of a close frame, whatever its code."""
    return code.to_bytes(2) + reason


def split_server_frames(data: bytes) -> tuple[list[Frame], bytes]:
    """Return the whole frames at the beginning of what a server sent, and the rest."""
    frames = []
    while len(data) >= 2:
        assert data[0] & 0xF0 == 0x80, "a server's frame is whole, without reserved bits"
        assert not data[1] & 0x80, "a server's frame is not masked"
        begin, size = 2, data[1]
        if size > 125:
            begin = 4 if size == 126 else 10
            size = int.from_bytes(data[2:begin])
        if len(data) < max(begin + size, begin):
            break
        frames.append(Frame(data[0] & 0x0F, data[begin : begin + size]))
        data = data[begin + size :]
    return frames, data
