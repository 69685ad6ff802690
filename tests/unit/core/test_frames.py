"""WebSocket frames: what is read, what is refused, and with which code (RFC 6455)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame as OracleFrame
from websockets.protocol import Protocol as OracleProtocol
from websockets.protocol import Side
import pytest

from broker.core.frames import (
    MAX_REASON_BYTES,
    NO_CODE,
    Binary,
    Close,
    Event,
    FrameError,
    FrameReader,
    Ping,
    Pong,
    Text,
    binary_frame,
    close_frame,
    ping_frame,
    pong_frame,
    text_frame,
)
from broker.core.frames.reader import unmask
from tests.support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    client_frame,
    close_payload,
    split_server_frames,
)

MAX_FRAME_BYTES = 70_000
MAX_MESSAGE_BYTES = 100_000


def new_reader() -> FrameReader:
    """Return a reader with the limits of these tests."""
    return FrameReader(MAX_FRAME_BYTES, MAX_MESSAGE_BYTES)


def read(*pieces: bytes) -> list[Event]:
    """Return what one reader makes of pieces that arrive one after the other."""
    reader = new_reader()
    return [event for piece in pieces for event in reader.feed(piece)]


class Verdict(NamedTuple):
    """What a reader makes of bytes: events, then perhaps a refusal."""

    events: list[Event]
    code: int | None
    at: int


def judge(*pieces: bytes) -> Verdict:
    """Return the events before a refusal, its code, and the piece that brought it about."""
    reader = new_reader()
    events: list[Event] = []
    for at, piece in enumerate(pieces):
        try:
            events.extend(reader.feed(piece))
        except FrameError as error:
            return Verdict(events, error.code, at)
    return Verdict(events, None, len(pieces))


def bytewise(data: bytes) -> list[bytes]:
    """Return the data one byte at a time."""
    return [data[at : at + 1] for at in range(len(data))]


# --- what is read --------------------------------------------------------------------------------


def test_reads_the_example_of_the_rfc() -> None:
    """The masked "Hello" of RFC 6455, section 5.7, is read as it is printed there."""
    assert [Text(b"Hello")] == read(bytes.fromhex("818537fa213d7f9f4d5158"))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, MAX_FRAME_BYTES])
def test_reads_every_form_of_the_length(size: int) -> None:
    """A payload comes out whole at the borders of the three forms of its length."""
    payload = bytes(at % 251 for at in range(size))

    assert [Binary(payload)] == read(client_frame(BINARY, payload))


def test_reads_many_frames_at_once() -> None:
    """Frames that arrive in one read give their events in order."""
    data = client_frame(TEXT, b"1") + client_frame(PING, b"2") + client_frame(BINARY, b"3") * 2

    assert [Text(b"1"), Ping(b"2"), Binary(b"3"), Binary(b"3")] == read(data)


def test_control_frames_come_between_fragments() -> None:
    """Pings, pongs and empty fragments in the middle of a message leave it whole."""
    data = (
        client_frame(TEXT, "gr\u00fc".encode()[:3], final=False)
        + client_frame(PING, b"alive?")
        + client_frame(CONTINUATION, b"", final=False)
        + client_frame(PONG, b"yes")
        + client_frame(CONTINUATION, "gr\u00fc".encode()[3:])
    )

    assert [Ping(b"alive?"), Pong(b"yes"), Text("gr\u00fc".encode())] == read(data)


def test_a_close_frame_ends_a_fragmented_message() -> None:
    """A close frame between fragments is a close; the message is never told."""
    data = client_frame(TEXT, b"half", final=False) + client_frame(CLOSE, close_payload(1001))

    assert [Close(1001, "")] == read(data)


def test_nothing_is_read_after_a_close_frame() -> None:
    """What follows a close frame is dropped, be it good, bad or later."""
    data = client_frame(CLOSE, close_payload(1000, "tsch\u00fcs".encode()))

    assert [Close(1000, "tsch\u00fcs")] == read(data + client_frame(TEXT, b"x"), b"\xff\xff", data)


def test_a_close_frame_may_be_empty() -> None:
    """A close frame without a code says so by a code that is never sent."""
    assert [Close(NO_CODE, "")] == read(client_frame(CLOSE))


def test_is_idle_only_between_messages() -> None:
    """A reader may be dropped after a whole message, and not within a frame or message."""
    reader = new_reader()
    frame = client_frame(TEXT, b"ab", final=False)
    idle = [reader.idle]
    for piece in (frame[:1], frame[1:7], frame[7:], client_frame(PING), client_frame(CONTINUATION)):
        list(reader.feed(piece))
        idle.append(reader.idle)
    list(reader.feed(client_frame(CLOSE)))

    assert [True, False, False, False, False, True] == idle
    assert not reader.idle, "after a close frame it must be kept, to drop what follows"


# --- what is refused -----------------------------------------------------------------------------

BAD_HEADERS = {
    "reserved bit 1": client_frame(TEXT, b"x", reserved=4),
    "reserved bit 2": client_frame(TEXT, b"x", reserved=2),
    "reserved bit 3": client_frame(PING, reserved=1),
    "not masked": client_frame(TEXT, b"x", key=None),
    "fragmented ping": client_frame(PING, final=False),
    "fragmented close": client_frame(CLOSE, final=False),
    "long ping": client_frame(PING, bytes(126)),
    "very long pong": client_frame(PONG, bytes(65_536)),
    "continuation of nothing": client_frame(CONTINUATION, b"x"),
    "continuation after a whole message": client_frame(TEXT, b"x") + client_frame(CONTINUATION),
    "text within a text": client_frame(TEXT, b"x", final=False) + client_frame(TEXT, b"y"),
    "binary within a text": client_frame(TEXT, final=False) + client_frame(BINARY, b"y"),
    "16 bits for a short length": client_frame(TEXT, bytes(125), length=b"\x7e\x00\x7d"),
    "64 bits for a 16-bit length": client_frame(TEXT, length=b"\x7f" + bytes(6) + b"\xff\xff"),
    "negative length": client_frame(BINARY, b"", length=b"\x7f\x80" + bytes(7)),
    **{f"opcode {code}": client_frame(code, b"x") for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
}


@pytest.mark.parametrize("data", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_refuses_broken_framing(data: bytes) -> None:
    """Every rule of framing is kept up with 1002, in one read and byte by byte."""
    assert 1002 == judge(data).code
    assert 1002 == judge(*bytewise(data)).code


def test_refuses_at_the_first_wrong_byte() -> None:
    """A header is refused before the rest of it, let alone the payload, has come."""
    assert 1002 == judge(b"\xc1").code
    assert 1002 == judge(b"\x83").code
    assert 1002 == judge(b"\x81\x05").code
    assert 1002 == judge(b"\x89\xfe").code


def test_what_came_before_a_refusal_is_told() -> None:
    """Frames in front of a broken one, in the same read, give their events first."""
    data = client_frame(TEXT, b"good") + client_frame(PING, b"too") + client_frame(3)

    assert Verdict([Text(b"good"), Ping(b"too")], 1002, 0) == judge(data)


def test_refuses_a_frame_over_the_limit_by_its_header() -> None:
    """A frame over the limit is refused with 1009 before any of its payload has come."""
    header = client_frame(BINARY, bytes(MAX_FRAME_BYTES + 1))[:10]

    assert 1009 == judge(header).code


def test_refuses_a_message_over_the_limit() -> None:
    """Fragments that are each within their limit, and not together, are refused with 1009."""
    half = client_frame(BINARY, bytes(MAX_MESSAGE_BYTES // 2), final=False)
    rest = client_frame(CONTINUATION, bytes(MAX_MESSAGE_BYTES // 2), final=False)
    last = client_frame(CONTINUATION, b"")

    assert [Binary(bytes(MAX_MESSAGE_BYTES))] == read(half, rest, last)
    assert 1009 == judge(half, rest, client_frame(CONTINUATION, b"x")).code


def test_control_frames_do_not_count_towards_the_message() -> None:
    """A ping within a message at its limit is answered, not refused."""
    fragments = [
        client_frame(TEXT, b"x" * (MAX_MESSAGE_BYTES // 2), final=False),
        client_frame(CONTINUATION, b"x" * (MAX_MESSAGE_BYTES // 2), final=False),
    ]

    assert [Ping(b"y" * 125)] == read(*fragments, client_frame(PING, b"y" * 125))


@pytest.mark.parametrize(
    "code", [*range(1000, 1004), *range(1007, 1015), 3000, 3401, 3999, 4000, 4999]
)
def test_reads_every_code_that_may_be_sent(code: int) -> None:
    """Registered codes and those of libraries and applications are read."""
    assert [Close(code, "why")] == read(client_frame(CLOSE, close_payload(code, b"why")))


@pytest.mark.parametrize(
    "code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]
)
def test_refuses_every_code_that_may_not_be_sent(code: int) -> None:
    """Reserved, unregistered and impossible codes are refused with 1002."""
    assert 1002 == judge(client_frame(CLOSE, close_payload(code))).code


def test_refuses_a_close_frame_of_one_byte() -> None:
    """Half a code is refused with 1002."""
    assert 1002 == judge(client_frame(CLOSE, b"\x03")).code


BAD_TEXTS = {
    "lone continuation": b"a\x80",
    "overlong slash": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "cut": "\u20ac".encode()[:2],
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS.keys())
def test_refuses_what_is_not_utf8(text: bytes) -> None:
    """Bad UTF-8 is refused with 1007 in texts, whole or in fragments, and in close reasons."""
    fragments = [client_frame(TEXT, text[:1], final=False), client_frame(CONTINUATION, text[1:])]

    assert 1007 == judge(client_frame(TEXT, text)).code
    assert 1007 == judge(*fragments).code
    assert 1007 == judge(*bytewise(b"".join(fragments))).code
    assert 1007 == judge(client_frame(CLOSE, close_payload(1000, text))).code


def test_bad_utf8_is_no_matter_in_binaries() -> None:
    """A binary message holds any bytes."""
    assert [Binary(b"\xff\x80")] == read(client_frame(BINARY, b"\xff\x80"))


def test_refuses_text_at_its_first_bad_byte() -> None:
    """A long text is refused in the middle of a frame, before the rest of it has come."""
    frame = client_frame(TEXT, b"good \xf4\x90 never to be read")
    pieces = bytewise(frame)

    assert (1007, len(frame) - len(b" never to be read") - 1) == judge(*pieces)[1:]


def test_a_character_may_be_cut_by_fragments() -> None:
    """A character whose bytes lie in three fragments is good UTF-8."""
    euro = "\u20ac".encode()
    data = (
        client_frame(TEXT, euro[:1], final=False)
        + client_frame(CONTINUATION, euro[1:2], final=False)
        + client_frame(CONTINUATION, euro[2:])
    )

    assert [Text(euro)] == read(data)


def test_a_text_ends_with_a_whole_character() -> None:
    """The state of a refused or whole text never reaches the next one."""
    euro = "\u20ac".encode()

    assert [Text(euro), Text(b"a")] == read(client_frame(TEXT, euro) + client_frame(TEXT, b"a"))
    assert 1007 == judge(client_frame(TEXT, euro[:2]) + client_frame(TEXT, euro[2:])).code


# --- whatever comes ------------------------------------------------------------------------------


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Event]]:
    """Draw the bytes of a well-behaved client and what they say."""
    data = b""
    events: list[Event] = []
    keys = st.binary(min_size=4, max_size=4)
    control = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
    for text in draw(st.lists(st.text(max_size=80) | st.binary(max_size=300), max_size=4)):
        payload = text.encode() if isinstance(text, str) else text
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        edges = [0, *cuts, len(payload)]
        opcode = TEXT if isinstance(text, str) else BINARY
        for at, (begin, end) in enumerate(pairwise(edges)):
            for kind, words in draw(st.lists(control, max_size=1)):
                data += client_frame(kind, words, key=draw(keys))
                events.append(Ping(words) if kind == PING else Pong(words))
            data += client_frame(
                CONTINUATION if at else opcode,
                payload[begin:end],
                final=at == len(edges) - 2,
                key=draw(keys),
            )
        events.append(Text(payload) if isinstance(text, str) else Binary(payload))
    if draw(st.booleans()):
        reason = draw(st.text(max_size=30))
        data += client_frame(CLOSE, close_payload(3000, reason.encode()), key=draw(keys))
        events.append(Close(3000, reason))
    return data, events


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Draw a way in which data arrives in pieces, empty ones included."""
    edges = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[begin:end] for begin, end in pairwise([0, *edges, len(data)])]


@given(st.data(), conversations())
def test_any_split_gives_the_same_events(
    draws: st.DataObject, said: tuple[bytes, list[Event]]
) -> None:
    """However a good stream is cut into reads, every event comes once, in order."""
    data, events = said

    assert events == read(data)
    assert events == read(*draws.draw(cut(data)))
    assert events == read(*bytewise(data))


@given(st.data(), st.binary(max_size=400))
@example(None, client_frame(TEXT, "\u20ac".encode()[:2]))
def test_any_bytes_give_events_or_a_refusal(draws: st.DataObject | None, data: bytes) -> None:
    """Arbitrary bytes raise nothing but the refusal, and the same however they are cut."""
    whole = judge(data)
    pieces = bytewise(data) if draws is None else draws.draw(cut(data))

    assert whole.code in {None, 1002, 1007, 1009}
    assert whole[:2] == judge(*pieces)[:2]


@given(st.data(), conversations())
def test_a_flipped_bit_gives_events_or_a_refusal(
    draws: st.DataObject, said: tuple[bytes, list[Event]]
) -> None:
    """A stream with one wrong bit is read or refused alike, however it is cut."""
    data = bytearray(said[0] or client_frame(PING))
    at = draws.draw(st.integers(0, len(data) * 8 - 1))
    data[at // 8] ^= 1 << at % 8

    assert judge(bytes(data))[:2] == judge(*bytewise(bytes(data)))[:2]


# --- beside another implementation ---------------------------------------------------------------


def ask_oracle(data: bytes) -> tuple[list[tuple[int, bytes]], int | None]:
    """Return the frames and the refusal of the sans-I/O protocol of `websockets`."""
    oracle = OracleProtocol(Side.SERVER, max_size=MAX_MESSAGE_BYTES)
    oracle.receive_data(data)
    frames = [
        (int(frame.opcode), bytes(frame.data))
        for frame in oracle.events_received()
        if isinstance(frame, OracleFrame)
    ]
    refused = oracle.close_sent.code if oracle.parser_exc and oracle.close_sent else None
    return frames, refused


def as_event(opcode: int, payload: bytes) -> Event:
    """Return what a whole message or control frame of the oracle says."""
    if opcode == CLOSE:
        return Close(int.from_bytes(payload[:2]) if payload else NO_CODE, payload[2:].decode())
    kinds: dict[int, Callable[[bytes], Event]] = {
        TEXT: Text,
        BINARY: Binary,
        PING: Ping,
        PONG: Pong,
    }
    return kinds[opcode](payload)


single_frames = st.builds(
    client_frame,
    st.integers(0, 15),
    st.binary(max_size=125).map(lambda data: bytes(byte & 0x7F for byte in data)),
    reserved=st.sampled_from([0, 0, 0, 0, 1, 2, 4]),
    key=st.binary(min_size=4, max_size=4) | st.none(),
)
"""Whole messages in one frame each, ASCII only, with faults in their headers."""


@given(st.lists(single_frames, max_size=5).map(b"".join))
def test_agrees_with_another_implementation_on_single_frames(data: bytes) -> None:
    """The `websockets` library reads and refuses the same frames, with the same code."""
    frames, refused = ask_oracle(data)
    verdict = judge(data)

    assert ([as_event(*frame) for frame in frames], refused) == (verdict.events, verdict.code)


@given(conversations())
def test_agrees_with_another_implementation_on_conversations(
    said: tuple[bytes, list[Event]],
) -> None:
    """The `websockets` library reads the same payload bytes from fragmented conversations."""
    frames, refused = ask_oracle(said[0])
    events = read(said[0])

    assert refused is None
    assert [as_event(*frame) for frame in frames if frame[0] >= CLOSE] == [
        event for event in events if isinstance(event, Ping | Pong | Close)
    ]
    assert b"".join(payload for opcode, payload in frames if opcode <= BINARY) == b"".join(
        event.payload for event in events if isinstance(event, Text | Binary)
    )


# --- what is written -----------------------------------------------------------------------------


def test_writes_the_example_of_the_rfc() -> None:
    """The unmasked "Hello" of RFC 6455, section 5.7, is written as it is printed there."""
    assert bytes.fromhex("810548656c6c6f") == text_frame(b"Hello")
    assert bytes.fromhex("890548656c6c6f") == ping_frame(b"Hello")
    assert bytes.fromhex("8a0548656c6c6f") == pong_frame(b"Hello")


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_writes_every_form_of_the_length(size: int) -> None:
    """A whole message has the length in its shortest form, at every border."""
    payload = b"x" * size

    assert ([(TEXT, payload)], b"") == split_server_frames(text_frame(payload))
    assert ([(BINARY, payload)], b"") == split_server_frames(binary_frame(payload))


def test_writes_close_frames() -> None:
    """A goodbye has its code and reason; without a code it has neither."""
    assert b"\x88\x05\x03\xe8bye" == close_frame(1000, "bye")
    assert b"\x88\x00" == close_frame(NO_CODE, "never sent")


def test_cuts_a_long_reason_at_a_character() -> None:
    """A reason that is too long is cut, never within a character."""
    payload = close_frame(1008, "x" + "\u20ac" * 100)[2:]

    assert "x" + "\u20ac" * 40 == payload[2:].decode()
    assert MAX_REASON_BYTES >= len(payload[2:])


def test_never_writes_what_may_not_be_sent() -> None:
    """Codes that may not be sent and long pings are mistakes of ours, told as such."""
    with pytest.raises(ValueError, match="1006"):
        close_frame(1006)
    with pytest.raises(ValueError, match="125"):
        ping_frame(bytes(126))


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_unmasking_undoes_masking(payload: bytes, key: bytes) -> None:
    """Applying the key byte by byte and as one number gives the same."""
    assert bytes(byte ^ key[at % 4] for at, byte in enumerate(payload)) == unmask(payload, key)
