"""Answers to polls, as bytes."""

from __future__ import annotations

import gzip

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.cursor import Cursor
from broker.core.message import Message
from broker.core.templates import parse_template
from broker.protocols.pushstream.wire.jsonp import put_callback
from broker.protocols.pushstream.wire.poll_answers import (
    CALLBACK,
    Form,
    PollAnswers,
    is_callback,
)
from broker.protocols.pushstream.wire.writing import Writing

HERE = Cursor(1447516314, 21)
RAW = parse_template("~text~")


def split(answer: bytes) -> tuple[list[str], bytes]:
    """Return the lines of an answer's head, and its body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


def message(body: bytes) -> Message:
    """Return a message with a body."""
    return Message(1, "a", body, HERE, HERE)


@pytest.mark.parametrize("name", ["f", "_", "$", "a.b.c", "A1", "jQuery1_2.$", "x" * 128])
def test_names_of_functions(name: str) -> None:
    """Letters, digits, `_` and `$`, dots between names."""
    assert is_callback(name)


@pytest.mark.parametrize(
    "name", ["", "1a", "a.", ".a", "a..b", "a b", "a(", "a\n", "é", "alert(1)//", "x" * 129, "a[0]"]
)
def test_what_is_no_name_of_a_function(name: str) -> None:
    """Anything else could be more than a name."""
    assert not is_callback(name)


def test_no_answer_without_messages_has_a_body() -> None:
    """A 304 is a head alone, in every form but that of scripts; its cursor is there."""
    for form in (Form(), Form(coding="gzip", negotiated=True), Form(keep_alive=False)):
        lines, body = split(PollAnswers(form).empty(HERE))
        assert "HTTP/1.1 304 Not Modified" == lines[0]
        assert b"" == body
        assert {"ETag: W/21", f"Last-Modified: {HERE.http_date}"} <= set(lines)
        assert not [line for line in lines if line.startswith(("Content-", "Transfer-"))]


@given(st.lists(st.integers(0, 10**6), max_size=5), st.booleans())
def test_a_script_is_whole_whatever_the_name(numbers: list[int], versioned: bool) -> None:
    """Chunks or not, the body is the call with the name in it."""
    answers = PollAnswers(Form(script=True, versioned=versioned))
    frames = [answers.piece(message(b"%d" % number)) for number in numbers]
    shared = answers.messages(frames, HERE, None)
    assert 1 == shared.count(CALLBACK)
    lines, body = split(put_callback(shared, "f.g", chunked=answers.is_chunked))
    assert "Content-Type: application/javascript; charset=utf-8" in lines
    if versioned:
        assert "Transfer-Encoding: chunked" in lines
        body = dechunk(body)
    else:
        assert not answers.keep_alive
        assert "Connection: close" in lines
    assert body == b"/**/f.g([%b]);\r\n" % b",".join(frames)


def dechunk(body: bytes) -> bytes:
    """Return a chunked body without its chunks."""
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        if not int(size, 16):
            assert b"\r\n" == body
            return whole
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]


def test_what_is_no_json_is_a_string_in_a_script() -> None:
    """Else it would be code."""
    answers = PollAnswers(Form(Writing(RAW), script=True))
    assert b'"alert(1)"' == answers.piece(message(b'"alert(1)"'))
    assert b'"\\u2028"' == answers.piece(message('"\u2028"'.encode()))


def test_long_bodies_are_compressed_and_short_ones_not() -> None:
    """The length that is told is that of what is sent."""
    answers = PollAnswers(Form(coding="gzip", negotiated=True, origin="https://page.test"))
    lines, body = split(answers.messages([b"x" * 1000], HERE, None))
    assert b"x" * 1000 == gzip.decompress(body)
    assert f"Content-Length: {len(body)}" in lines
    assert "Vary: Origin, Accept-Encoding" in lines
    lines, body = split(answers.messages([b"x"], HERE, None))
    assert b"x" == body
    assert "Content-Encoding: gzip" not in lines


def test_several_messages_are_parts_where_a_mount_says_so() -> None:
    """One is the body; several have a boundary that no message can know."""
    answers = PollAnswers(Form(Writing(RAW, parts=True)))
    one = answers.piece(message(b'"--x"'))
    assert ("text/plain; charset=utf-8", b"--x") == answers.body([one])
    kind, body = answers.body([one, one])
    boundary = kind.removeprefix("multipart/mixed; boundary=").encode()
    assert [b"", *[b"\r\nContent-Type: text/plain\r\n\r\n--x\r\n"] * 2, b"--\r\n"] == body.split(
        b"--" + boundary
    )


def test_a_hold_that_is_over_may_have_a_body() -> None:
    """The control message has the cursor of the head."""
    answers = PollAnswers(Form(Writing(timeout_body=True)))
    lines, body = split(answers.nothing(HERE))
    assert "HTTP/1.1 200 OK" == lines[0]
    assert (
        b'{"id":-3,"channel":"","message":"Timed out","tag":"21","time":"%b"}\n'
        % HERE.http_date.encode()
        == body
    )
