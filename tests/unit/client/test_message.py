"""What a client makes of frames, events, lines and close reasons."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import orjson
import pytest

from broker.client.errors import Lost, Refused, Unauthorized, Unreadable
from broker.client.message import (
    Farewell,
    Gap,
    Message,
    read_close,
    read_event,
    read_events,
)
from broker.core.cursor import Cursor
from broker.core.encoder import Gap as ToldGap
from broker.core.errors import ChannelForbidden, Draining, TokenExpired
from broker.core.message import Message as StoredMessage
from broker.protocols.pushstream.envelope import envelope, gap_envelope
from broker.transports.websocket import farewell
from tests.support.frames import split_server_frames

CURSOR = Cursor(1_447_516_314, 21)
EARLIER = Cursor(1_447_516_000, 3)


def test_d18_to_d22_the_brokers_envelope_is_read() -> None:
    """What the broker writes is what the client hands out."""
    stored = StoredMessage(3282, "user.100", b'{"a":[1,"\\u00fc"]}', CURSOR, EARLIER)
    assert Message(3282, "user.100", {"a": [1, "\u00fc"]}, CURSOR) == read_event(envelope(stored))


def test_p3_the_brokers_gap_notice_is_read() -> None:
    """A notice says where, after what, and what is the first that is kept."""
    told = gap_envelope(ToldGap("user.100", EARLIER, CURSOR))
    assert Gap("user.100", EARLIER, CURSOR) == read_event(told)


def test_p8_a_notice_says_how_many_were_left_out() -> None:
    """Who reads a conflated channel too slowly learns how many messages it did not get."""
    told = ToldGap("user.100", EARLIER, CURSOR, skipped=41)
    assert Gap("user.100", EARLIER, CURSOR, 41) == read_event(gap_envelope(told))
    event = {"channel": "user.100", **told.told()}
    assert Gap("user.100", EARLIER, CURSOR, 41) == read_event(orjson.dumps(event))


def test_p3_the_gap_event_of_a_stream_is_read() -> None:
    """Streams tell it in a shape of their own."""
    told = {"channel": "user.100", "after": str(EARLIER), "first": str(CURSOR)}
    assert Gap("user.100", EARLIER, CURSOR) == read_event(orjson.dumps(told))


def test_the_last_event_of_a_stream_is_read() -> None:
    """It says why, and where to go on."""
    told = {"cursor": str(CURSOR), "status": 503, "error": "draining", "message": "stopping"}
    assert Farewell(503, "stopping", CURSOR) == read_event(orjson.dumps(told))
    assert Farewell(0, "the stream ended", CURSOR) == read_event(b'{"cursor":"%d-%d"}' % CURSOR)


def test_an_error_frame_is_read() -> None:
    """The frame of legacy clients says why the token is refused."""
    told = {
        "error": {"status": 401, "message": "expired"},
        "tag": "21",
        "time": CURSOR.http_date,
    }
    assert Farewell(401, "expired", CURSOR) == read_event(orjson.dumps(told))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b'{"id":1,"channel":"c","message":1}',
        b'{"id":1,"channel":"c","message":1,"tag":"x","time":"Sat, 14 Nov 2015 15:51:54 GMT"}',
        b'{"id":1,"channel":"c","message":1,"tag":"1","time":"yesterday"}',
        b'{"id":-3,"channel":"c","message":{"gap":{"after":"1-1"}},"tag":"1","time":"1"}',
        b'{"channel":"c","after":"1","first":"2"}',
        b'{"cursor":"now"}',
    ],
)
def test_other_texts_are_left_out(text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """What is no envelope is refused; in a row of others it is left out, and logged."""
    with pytest.raises(Unreadable):
        read_event(text)
    good = envelope(StoredMessage(1, "c", b"1", CURSOR, EARLIER))
    assert [Message(1, "c", 1, CURSOR)] == read_events([text, good])
    assert 1 == len(caplog.records)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_arbitrary_texts_raise_nothing_else(text: str | bytes) -> None:
    """Whatever a peer sends, it is read or refused."""
    try:
        read_event(text)
    except Unreadable:
        return


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-4, 4) | st.text(max_size=5),
        lambda inner: st.dictionaries(
            st.sampled_from(["id", "channel", "message", "time", "tag", "gap", "error", "cursor"]),
            inner,
        ),
    )
)
def test_arbitrary_shapes_raise_nothing_else(value: object) -> None:
    """JSON of nearly the right shape is read or refused."""
    try:
        read_event(orjson.dumps(value))
    except Unreadable:
        return


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Draining("this node is about to stop"), Lost),
        (TokenExpired("the token has expired"), Unauthorized),
        (ChannelForbidden("no"), Refused),
        (None, Lost),
    ],
)
def test_the_brokers_farewell_is_understood(
    error: Draining | TokenExpired | ChannelForbidden | None, kind: type[Exception]
) -> None:
    """The close frame that the broker writes gives the reason, the place and the wait."""
    frames, _ = split_server_frames(farewell(error, CURSOR, 22.5))
    close = frames[-1]
    read = read_close(close.code, close.reason)
    assert (CURSOR, 23.0) == (read.cursor, read.retry_after_s)
    assert kind is type(read.error())


@pytest.mark.parametrize("reason", ["", "bye", "{}", '{"cursor":"x"}', '{"cursor":7}', "[]"])
def test_any_close_reason_is_read(reason: str) -> None:
    """A proxy's own close frame carries no place, and coming back may help."""
    read = read_close(1001, reason)
    assert (None, None) == (read.cursor, read.retry_after_s)
    assert isinstance(read.error(), Lost)
