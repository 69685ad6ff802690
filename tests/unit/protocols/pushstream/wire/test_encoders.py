"""Encoders: one for all who write alike; messages, notices and signs of life in each framing."""

from __future__ import annotations

import json
import zlib

from broker.core.cursor import Cursor
from broker.core.encoder import Gap
from broker.core.errors import TokenExpired
from broker.core.message import Message
from broker.core.mounts import SubscriberMount, Texts
from broker.core.notices import DELETED
from broker.core.templates import parse_template
from broker.protocols.pushstream.wire.compression import STREAM_START
from broker.protocols.pushstream.wire.encoders import (
    MAX_ENCODERS,
    Encoders,
    EventSourceEncoder,
    StreamEncoder,
    WebSocketEncoder,
)
from broker.protocols.pushstream.wire.writing import STANDARD, Writing

HERE = Cursor(1447516314, 21)
GAP = Gap("a", HERE, Cursor(1447516315, 1), Cursor(1447516314, 22))
RAW = Writing(parse_template("~text~"), b"h1\r\nh2", b"bye", b";", texts=Texts("ping"))


def message(body: bytes, event_type: str = "") -> Message:
    """Return a message with a body."""
    return Message(7, "a", body, HERE, HERE, "", event_type)


def test_who_writes_alike_shares_an_encoder() -> None:
    """Another template, framing or coding is another one; the oldest is forgotten in the end."""
    encoders = Encoders()
    one = encoders.get(StreamEncoder, True, "", STANDARD)
    again = Writing.of(SubscriberMount("/x", "stream"))
    assert one is encoders.get(StreamEncoder, True, "", again)
    assert one is not encoders.get(StreamEncoder, False, "", STANDARD)
    assert one is not encoders.get(StreamEncoder, True, "gzip", STANDARD)
    assert one is not encoders.get(StreamEncoder, True, "", RAW)
    for number in range(MAX_ENCODERS):
        encoders.get(StreamEncoder, True, "", Writing(separator=b"%d" % number))
    assert one is not encoders.get(StreamEncoder, True, "", STANDARD)


def test_an_event_has_its_cursor_and_every_line() -> None:
    """Blank lines too; a type where the publisher gave one, none for a deletion."""
    encoder = EventSourceEncoder(False, RAW)
    assert b"id: 1447516314-21\ndata: a\ndata: \ndata: b\n\n" == encoder.message(
        message(rb'"a\n\r\nb"')
    )
    assert b"id: 1447516314-21\nevent: note\ndata: 1\n\n" == encoder.message(message(b"1", "note"))
    assert b"id: 1447516314-21\ndata: gone\n\n" == encoder.message(message(b'"gone"', DELETED))


def test_an_event_stream_opens_and_ends_with_what_a_mount_says() -> None:
    """Header and footer are comments; the last event says where to go on, and why."""
    encoder = EventSourceEncoder(True, RAW)
    assert b"1d\r\nretry: 3000\n\n: h1\n: h2\n\n\r\n".endswith(encoder.opening()[-14:])
    assert b": h1\n: h2\n\n" in encoder.opening()
    end = encoder.last_words(TokenExpired("over"), HERE, 2.5)
    assert end.startswith(b"retry: 2500\nid: 1447516314-21\nevent: close\ndata: {")
    assert end.endswith(b"\n\n: bye\n\n")
    told = json.loads(end.split(b"data: ")[1].split(b"\n")[0])
    assert (401, "1447516314-21") == (told["status"], told["cursor"])
    assert b"event: close" in encoder.last_words(None, HERE, None)


def test_a_gap_is_told_in_each_framing() -> None:
    """As an event of its own; else as a message -3 at the reader's own cursor."""
    event = EventSourceEncoder(False).gap(GAP)
    assert event.startswith(b'id: 1447516314-21\nevent: gap\ndata: {"channel":"a",')
    line = json.loads(StreamEncoder(False).gap(GAP))
    assert (-3, "21", "1447516314-21") == (line["id"], line["tag"], line["message"]["gap"]["after"])
    assert b'"id":-3,' in WebSocketEncoder().gap(GAP)


def test_a_frame_may_begin_with_its_cursor() -> None:
    """For clients of nchan, which keep it."""
    assert b"\x81\x14id: 1447516314:21\n\n1" == WebSocketEncoder(RAW, True).message(message(b"1"))
    assert b"\x81\x011" == WebSocketEncoder(RAW).message(message(b"1"))


def test_signs_of_life() -> None:
    """A stream's is a message at the reader's cursor, an event stream's a comment, others' none."""
    assert b"ping;" == StreamEncoder(False, "", RAW).heartbeat(HERE)
    told = json.loads(StreamEncoder(False).heartbeat(HERE))
    assert (-1, " ", "21") == (told["id"], told["message"], told["tag"])
    assert b": \n\n" == EventSourceEncoder(False).heartbeat(HERE)
    assert b"" == WebSocketEncoder().heartbeat(HERE)


def test_a_compressed_stream_from_its_opening_to_its_footer() -> None:
    """Every piece is one chunk that stands for itself, behind the beginning that all share."""
    encoder = StreamEncoder(False, "gzip", RAW)
    opening = encoder.opening()
    assert opening.startswith(STREAM_START)
    whole = opening + encoder.message(message(b"1")) + encoder.last_words(None, HERE, None)
    assert b"h1\r\nh21;bye" == zlib.decompressobj(31).decompress(whole)
    assert b"h1\r\nh2" == StreamEncoder(False, "", RAW).opening()
    assert b"7\r\nh1\r\nh2\r\n".replace(b"7", b"6") == StreamEncoder(True, "", RAW).opening()
