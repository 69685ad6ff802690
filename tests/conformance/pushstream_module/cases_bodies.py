"""Cases of what bodies are made of: templates, scripts, compression, parts."""

from __future__ import annotations

import gzip
import json
import zlib

from tests.conformance.pushstream_module.case import Case, Expect
from tests.conformance.pushstream_module.streams import Held, Publish, Stream
from tests.conformance.pushstream_module.words import (
    CURSOR,
    EPOCH,
    HERE,
    PLAIN,
    SAFE,
    SCRIPT,
    asked,
    fits,
    message,
    messages,
    poll,
    refused,
)

ONE, TWO = Publish(b"1"), Publish(b"2")
FIRST = poll("/m/shortpoll/{channel}", 304)
ESCAPED = "`~text~` is escaped for where it stands"
VALIDATED = "only the name of a function is echoed (19, change 8)"
COMMENT = "a comment goes first, so that no other plug-in takes the answer for its own"
CALLED = "a script can read neither a 304 nor its headers, so it is called with nothing"
CODING = "the coding that the client asks for"
LONG = b'"' + b"na " * 400 + b'"'

QUOTED = "/quoted/{channel}?" + EPOCH


def quoted(text: str, event: str = "/") -> Expect:
    """Return what the template with quotes makes of a text."""
    told = {"text": text, "size": len(text.encode()), "event": event}

    def accept(body: bytes) -> bool:
        return body.endswith(b"\r\n") and json.loads(body) == told

    return Expect(200, {**SAFE, **CURSOR}, accept)


def called(*parts: bytes, name: bytes = b"cb") -> Expect:
    """Return a call with messages."""
    body = fits(rb"/\*\*/", name, rb"\(\[", b",".join(parts), rb"\]\);\r\n")
    return Expect(200, {**SAFE, **CURSOR, "Content-Type": SCRIPT}, body)


def packed(coding: str) -> Expect:
    """Return a poll's answer in a coding, with its cursor."""

    def accept(body: bytes) -> bool:
        plain = gzip.decompress(body) if coding == "gzip" else zlib.decompress(body)
        return LONG in plain and len(body) < len(plain)

    headers = {"Content-Encoding": coding, "Vary": "Accept-Encoding", "Content-Type": PLAIN}
    return Expect(200, {**SAFE, **CURSOR, **headers}, accept)


TEMPLATES = (
    Case(
        "template-raw-string",
        "4",
        (
            Publish(rb'"a \"b\" \u00e9"'),
            poll(f"/raw/shortpoll/{{channel}}?{EPOCH}", body='a "b" é'.encode()),
        ),
        "the text as it was published",
    ),
    Case(
        "template-raw-json",
        "4",
        (Publish(b'{"a":[1,2]}'), poll(f"/raw/shortpoll/{{channel}}?{EPOCH}", body=b'{"a":[1,2]}')),
        "the text as it was published",
    ),
    Case(
        "template-words-in-text",
        "4",
        (Publish(b'"~id~ ~tag~"'), poll(f"/raw/shortpoll/{{channel}}?{EPOCH}", body=b"~id~ ~tag~")),
        "not expanded again",
    ),
    Case(
        "template-text-in-quotes",
        "4",
        (Publish(rb'"say \"hi\"\n\\"'), asked(QUOTED, quoted('say "hi"\n\\'))),
        "raw: the JSON is broken",
        ESCAPED,
    ),
    Case(
        "template-object-in-quotes",
        "4",
        (Publish(b'{"a":"b"}'), asked(QUOTED, quoted('{"a":"b"}'))),
        "raw: the JSON is broken",
        ESCAPED,
    ),
    Case(
        "template-event-words",
        "4",
        (
            Publish(b'"x"', headers={"Event-Id": 'a"b', "Event-Type": "note"}),
            asked(QUOTED, quoted("x", 'a"b/note')),
        ),
        "raw, words in any case",
        ESCAPED,
    ),
    Case(
        "template-header-and-footer",
        "3.3",
        (
            ONE,
            TWO,
            poll(f"/framed/shortpoll/{{channel}}?{EPOCH}", body=b"H;1;2;F;"),
            poll(f"/framed/shortpoll/{{channel}}?{HERE}", 304),
        ),
        "around the messages; not with a 304",
    ),
    Case(
        "template-page",
        "4",
        (
            Stream(
                "/page/{channel}",
                {**SAFE, "Content-Type": "text/html; charset=utf-8"},
                begins=b"<html><script>var p=parent.p;</script>",
                during=(Publish(rb'"</script>\u2028\"&\u0027<!--"'),),
                goes_on=(
                    b"<script>p(1,'{channel}','\\u003c/script\\u003e\\u2028\\\"\\u0026\\u0027"
                    b"\\u003c!--');</script>"
                ),
            ),
        ),
        "raw: the text leaves the string and the script",
        ESCAPED,
    ),
    Case(
        "template-page-of-an-object",
        "4",
        (
            Stream(
                "/page/{channel}",
                begins=b"<html><script>var p=parent.p;</script>",
                during=(Publish(b'{"a":"<b>"}'),),
                goes_on=(
                    b"<script>p(1,'{channel}','{\\\"a\\\":\\\"\\u003cb\\u003e\\\"}');</script>"
                ),
            ),
        ),
        "raw",
        ESCAPED,
    ),
    Case(
        "parts-one",
        "8.1",
        (
            ONE,
            poll(f"/parts/{{channel}}?{EPOCH}", body=b"1", headers={"Content-Type": PLAIN}),
        ),
        "the message",
    ),
    Case(
        "parts-several",
        "8.1",
        (
            Publish(b'"a"'),
            Publish(b'"b"'),
            asked(
                f"/parts/{{channel}}?{EPOCH}",
                Expect(
                    200,
                    {**SAFE, **CURSOR},
                    fits(
                        rb"--(\w+)\r\nContent-Type: text/plain\r\n\r\na\r\n"
                        rb"--\1\r\nContent-Type: text/plain\r\n\r\nb\r\n--\1--\r\n"
                    ),
                ),
            ),
        ),
        "concatenated: clients cannot tell them apart",
        "as nchan answers its clients, where the mount says so",
    ),
)

SCRIPTS = (
    Case(
        "jsonp-one",
        "8.6",
        (ONE, asked(f"/m/shortpoll/{{channel}}?callback=cb&{EPOCH}", called(message(b"1")))),
        "cb([msg]); as application/javascript",
        COMMENT,
    ),
    Case(
        "jsonp-several",
        "8.6",
        (
            ONE,
            TWO,
            asked(
                f"/m/shortpoll/{{channel}}?callback=cb&{EPOCH}",
                called(message(b"1"), message(b"2", 2)),
            ),
        ),
        "cb([msg,msg]);",
        COMMENT,
    ),
    Case(
        "jsonp-dotted-name",
        "8.6",
        (
            ONE,
            asked(
                f"/m/shortpoll/{{channel}}?callback=A_1.$b.c&{EPOCH}",
                called(message(b"1"), name=rb"A_1\.\$b\.c"),
            ),
        ),
        "the name as it was given",
        COMMENT,
    ),
    Case(
        "jsonp-no-name-of-a-function",
        "8.6",
        (asked("/m/shortpoll/{channel}?callback=alert(1)//", refused(400, "callback")),),
        "echoed",
        VALIDATED,
    ),
    Case(
        "jsonp-tag",
        "8.6",
        (
            asked(
                "/m/shortpoll/{channel}?callback=%3Cscript%3E",
                refused(400, "callback")._replace(body=lambda body: b"<" not in body),
            ),
        ),
        "echoed",
        VALIDATED,
    ),
    Case(
        "jsonp-empty-name",
        "8.6",
        (asked("/m/shortpoll/{channel}?callback=", refused(400, "callback")),),
        "the connection is closed without an answer",
        VALIDATED,
    ),
    Case(
        "jsonp-nothing-new",
        "8.6",
        (asked("/m/shortpoll/{channel}?callback=cb", called()),),
        "304: the function is never called",
        CALLED,
    ),
    Case(
        "jsonp-held",
        "8.6",
        (
            FIRST,
            Held(f"/m/longpoll/{{channel}}?callback=cb&{HERE}", (ONE,), called(message(b"1"))),
        ),
        "cb([msg]); once it comes",
        COMMENT,
    ),
    Case(
        "jsonp-timeout",
        "8.6",
        (asked("/brief/longpoll/{channel}?callback=cb", called()),),
        "304: a script tag never calls back on a timeout",
        CALLED,
    ),
    Case(
        "jsonp-text-that-is-no-json",
        "8.6",
        (
            Publish(rb'"a\"b\u2028"'),
            asked(f"/raw/jsonp/{{channel}}?callback=cb&{EPOCH}", called(rb'"a\\"b\\u2028"')),
        ),
        "raw: a broken script",
        "what is no JSON is given as a string",
    ),
    Case(
        "jsonp-off",
        "8.6",
        (
            ONE,
            poll(
                f"/shortpoll/{{channel}}?callback=cb&{EPOCH}",
                body=messages(b"1", end=rb"\n"),
                headers={"Content-Type": PLAIN},
            ),
        ),
        "always on",
        "a script is readable by every page, so a mount has to ask for it",
    ),
    Case(
        "jsonp-stream",
        "8.6",
        (Stream("/m/stream/{channel}?callback=cb", during=(ONE,), goes_on=messages(b"1")),),
        "not on streams",
    ),
)

CODINGS = (
    Case(
        "gzip-poll",
        "8.7",
        (
            Publish(LONG),
            asked(f"/m/shortpoll/{{channel}}?{EPOCH}", packed("gzip"), Accept_Encoding="gzip, br"),
        ),
        "compressed; the weak ETag survives",
    ),
    Case(
        "deflate-poll",
        "8.7",
        (
            Publish(LONG),
            asked(
                f"/m/shortpoll/{{channel}}?{EPOCH}", packed("deflate"), Accept_Encoding="deflate"
            ),
        ),
        "not spoken",
        CODING,
    ),
    Case(
        "gzip-refused",
        "8.7",
        (
            Publish(LONG),
            poll(
                f"/m/shortpoll/{{channel}}?{EPOCH}",
                body=messages(LONG),
                headers={"Content-Encoding": None, "Vary": "Accept-Encoding"},
                Accept_Encoding="gzip;q=0",
            ),
        ),
        "plain",
    ),
    Case(
        "gzip-short-body",
        "8.7",
        (
            ONE,
            poll(
                f"/m/shortpoll/{{channel}}?{EPOCH}",
                body=messages(b"1"),
                headers={"Content-Encoding": None},
                Accept_Encoding="gzip",
            ),
        ),
        "plain below a length",
    ),
    Case(
        "gzip-not-modified",
        "8.7",
        (poll("/m/shortpoll/{channel}", 304, Accept_Encoding="gzip"),),
        "304 without a body",
    ),
    Case(
        "gzip-off",
        "8.7",
        (
            Publish(LONG),
            poll(
                f"/shortpoll/{{channel}}?{EPOCH}",
                headers={"Content-Encoding": None, "Vary": None},
                Accept_Encoding="gzip",
            ),
        ),
        "off unless the configuration says so",
    ),
)

CASES = (*TEMPLATES, *SCRIPTS, *CODINGS)
