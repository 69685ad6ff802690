"""Answers to polls, whole, as bytes: what polls get is written without aiohttp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from time import time
from typing import NamedTuple
import re
import secrets

import orjson

from broker.core.cursor import START, Cursor, http_date
from broker.core.errors import BrokerError
from broker.core.message import Message
from broker.protocols.pushstream.answers import (
    ALWAYS,
    GAP_HEADER,
    PROBLEM_TYPE,
    cross_origin,
    header_lines,
    refusal_body,
    refusal_headers,
)
from broker.protocols.pushstream.wire.compression import MIN_BYTES, compress, vary
from broker.protocols.pushstream.wire.writing import STANDARD, Writing
from broker.transports.stream import chunk

SCRIPT_TYPE = "application/javascript; charset=utf-8"

CALLBACK = b"\0callback\0"
"""Stands in an answer for the name of the function to call: the only thing that is not shared."""

MAX_CALLBACK_CHARACTERS = 128
"""Length of such a name: clients make them of a word and the time."""

_CALLBACK = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(?:\.[A-Za-z_$][A-Za-z0-9_$]*)*")
_BOUNDARY = secrets.token_hex(16).encode()
_LINE_SEPARATORS = (("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))


def is_callback(name: str) -> bool:
    """Tell whether a name can be called and holds nothing but the name of a function."""
    return len(name) <= MAX_CALLBACK_CHARACTERS and _CALLBACK.fullmatch(name) is not None


class Form(NamedTuple):
    """
    What makes two polls share the bytes of an answer.

    Attributes:
        writing: How messages are written.
        origin: Page that may read them; see `cross_origin`.
        keep_alive: Whether the connection stays open behind the answer.
        versioned: Whether the client speaks HTTP/1.1; an older one must be told to keep it open.
        coding: How the body is compressed, or empty.
        negotiated: Whether another client may get another coding.
        script: Whether the answer is a script that calls a function; see `CALLBACK`.
    """

    writing: Writing = STANDARD
    origin: str | None = None
    keep_alive: bool = True
    versioned: bool = True
    coding: str = ""
    negotiated: bool = False
    script: bool = False


class PollAnswers:
    """
    Whole answers to polls.

    Args:
        form: How they look.

    Attributes:
        keep_alive: Whether the connection stays open behind an answer.
        is_chunked: Whether the name of a function is a chunk of its own.
        fixed: Headers of every answer.
    """

    def __init__(self, form: Form) -> None:
        self.is_chunked = form.script and form.versioned
        self.keep_alive = form.keep_alive and (form.versioned or not form.script)
        self._form = form
        self._writing = form.writing
        self._render = form.writing.render
        fixed = {**ALWAYS, **cross_origin(form.origin)}
        if form.negotiated:
            fixed["Vary"] = vary(fixed.get("Vary"))
        self.fixed: Mapping[str, str] = fixed
        lines = dict(fixed)
        if not self.keep_alive:
            lines["Connection"] = "close"
        elif not form.versioned:
            lines["Connection"] = "keep-alive"
        self._fixed = header_lines(lines)
        self._nothing: tuple[tuple[Cursor, Cursor | None, int], bytes] = ((START, None, 0), b"")

    # --- parts of an answer --------------------------------------------------------------------

    def piece(self, message: Message) -> bytes:
        """Return what stands for a message in the body (D48)."""
        text = self._render(message)
        if self._form.script:
            return self._argument(text)
        return text if self._writing.parts else text + self._writing.separator

    def body(self, frames: Sequence[bytes]) -> tuple[str, bytes]:
        """Return the content type and the body, not compressed, of an answer with messages."""
        writing = self._writing
        if self._form.script:
            call = b"/**/%b%b([%b]);\r\n" % (writing.header, CALLBACK, b",".join(frames))
            return SCRIPT_TYPE, call
        if writing.parts and len(frames) > 1:
            return f"multipart/mixed; boundary={_BOUNDARY.decode()}", _multipart(frames)
        return writing.content_type, b"%b%b%b" % (writing.header, b"".join(frames), writing.footer)

    def packed(self, body: bytes) -> tuple[dict[str, str], bytes]:
        """Return the body as it is sent, and the headers that say how that is."""
        coding = self._form.coding
        if not coding or len(body) < MIN_BYTES:
            return {}, body
        return {"Content-Encoding": coding}, compress(body, coding)

    # --- answers -------------------------------------------------------------------------------

    def messages(self, frames: Sequence[bytes], cursor: Cursor, gap: Cursor | None) -> bytes:
        """Return the answer that carries messages."""
        kind, body = self.body(frames)
        if self._form.script:
            return self._script(body, cursor, gap)
        headers, body = self.packed(body)
        return b"%bContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n%b" % (
            self._head(HTTPStatus.OK, cursor, gap),
            kind.encode(),
            header_lines(headers),
            len(body),
            body,
        )

    def empty(self, cursor: Cursor, gap: Cursor | None = None) -> bytes:
        """
        Return the answer without a message; its cursor is the client's next one (2.3.4).

        A script is called with no message: it can read neither a 304 nor its headers.
        """
        if self._form.script:
            return self._script(self.body([])[1], cursor, gap)
        key = cursor, gap, int(time())
        if self._nothing[0] != key:  # those who wait together are answered alike
            self._nothing = key, b"%b\r\n" % self._head(HTTPStatus.NOT_MODIFIED, cursor, gap)
        return self._nothing[1]

    def nothing(self, cursor: Cursor) -> bytes:
        """Return the answer of a hold that is over."""
        if not self._writing.timeout_body:
            return self.empty(cursor)
        text = self._writing.timeout(cursor)
        frame = self._argument(text) if self._form.script else text + self._writing.separator
        return self.messages([frame], cursor, None)

    def refusal(self, error: BrokerError, cursor: Cursor, retry_after_s: float | None) -> bytes:
        """Return the answer of a wait that ends early; the client keeps its place."""
        body = refusal_body(error)
        headers = {
            "Content-Type": PROBLEM_TYPE,
            "Content-Length": str(len(body)),
            **refusal_headers(error, retry_after_s),
        }
        return b"%b%b\r\n%b" % (self._head(error.status, cursor, None), header_lines(headers), body)

    def _argument(self, text: bytes) -> bytes:
        """Return a message as an argument of the call; what is no JSON as a string."""
        template = self._writing.template
        if template is not None and not template.is_json:
            text = orjson.dumps(text.decode())
        for raw, escaped in _LINE_SEPARATORS:  # which end a line in older scripts
            text = text.replace(raw, escaped)
        return text

    def _script(self, body: bytes, cursor: Cursor, gap: Cursor | None) -> bytes:
        """Return a call; its length is not known before the name is, so it comes in chunks."""
        head = self._head(HTTPStatus.OK, cursor, gap)
        if not self._form.versioned:
            return b"%bContent-Type: %b\r\n\r\n%b" % (head, SCRIPT_TYPE.encode(), body)
        before, _, after = body.partition(CALLBACK)
        return b"%bContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n%b%b%b0\r\n\r\n" % (
            head,
            SCRIPT_TYPE.encode(),
            chunk(before),
            CALLBACK,
            chunk(after),
        )

    def _head(self, status: HTTPStatus, cursor: Cursor, gap: Cursor | None) -> bytes:
        told = b"" if gap is None else b"%b: %d-%d\r\n" % (GAP_HEADER.encode(), *gap)
        return b"HTTP/1.1 %d %b\r\nDate: %b\r\nETag: W/%d\r\nLast-Modified: %b\r\n%b%b" % (
            status,
            status.phrase.encode(),
            http_date(int(time())).encode(),
            cursor.tag,
            cursor.http_date.encode(),
            told,
            self._fixed,
        )


def _multipart(frames: Sequence[bytes]) -> bytes:
    """
    Return several messages as parts.

    Source: RFC 2046, section 5.1; nchan, its subscribers' `multipart/mixed`.
    """
    parts = [
        b"--%b\r\nContent-Type: text/plain\r\n\r\n%b\r\n" % (_BOUNDARY, frame) for frame in frames
    ]
    return b"%b--%b--\r\n" % (b"".join(parts), _BOUNDARY)
