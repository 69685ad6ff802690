"""Cases of HTTP streaming."""

from __future__ import annotations

from tests.conformance.pushstream_module.case import Case, Expect
from tests.conformance.pushstream_module.streams import (
    Delete,
    Publish,
    Stream,
)
from tests.conformance.pushstream_module.words import (
    DATE,
    EPOCH,
    HERE,
    PLAIN,
    SAFE,
    asked,
    fits,
    message,
    messages,
    poll,
)

ONE, TWO = Publish(b"1"), Publish(b"2")
FIRST = poll("/m/shortpoll/{channel}", 304)


STREAM = "/m/stream/{channel}"

AT_ONCE = "headers go out at once, so that proxies and scripts see the stream (19, change 9)"
ORDER = "one order over all channels, so that a reader that is cut off resumes without a hole"
STAYS = "nothing is closed: a channel that comes back is heard again (16.18)"

CASES = (
    Case(
        "stream-headers-at-once",
        "8.3",
        (Stream(STREAM, {**SAFE, "Content-Type": PLAIN, "Transfer-Encoding": "chunked"}),),
        "not a byte, the status line included, before the first message",
        AT_ONCE,
    ),
    Case(
        "stream-live",
        "8.3",
        (Stream(STREAM, during=(ONE, TWO), goes_on=messages(b"1", b"2")),),
        "a chunk for each message, no separator",
    ),
    Case(
        "stream-history",
        "7.4",
        (ONE, Stream(f"{STREAM}?{EPOCH}", during=(TWO,), goes_on=messages(b"1", b"2"))),
        "matching history, then live",
    ),
    Case(
        "stream-resumes",
        "7.3",
        (
            ONE,
            poll(f"/m/shortpoll/{{channel}}?{EPOCH}"),
            Stream(f"{STREAM}?{HERE}", during=(TWO,), goes_on=fits(message(b"2", 2))),
        ),
        "strictly after the cursor",
    ),
    Case(
        "stream-history-of-several",
        "16.6",
        (
            ONE,
            Publish(b"2", "{other}"),
            Publish(b"3"),
            Stream(
                f"/m/stream/{{channel}}/{{other}}?{EPOCH}",
                goes_on=fits(message(b"1"), message(b"2", 1, b"{other}"), message(b"3", 2)),
            ),
        ),
        "channel after channel",
        ORDER,
    ),
    Case(
        "stream-http-1.0",
        "8.3",
        (
            Stream(
                STREAM,
                {"Transfer-Encoding": None, "Connection": "close"},
                during=(ONE,),
                goes_on=messages(b"1"),
                version="1.0",
            ),
        ),
        "unframed, until the connection closes",
    ),
    Case(
        "stream-ttl",
        "8.3",
        (
            FIRST,
            ONE,
            Stream(
                f"/framed/stream/{{channel}}?{HERE}",
                begins=b"H;",
                goes_on=b"1;",
                ends=b"F;",
            ),
        ),
        "header, messages, footer, last chunk",
    ),
    Case(
        "stream-standard-lines",
        "8.3",
        (Stream("/stream/{channel}", during=(ONE,), goes_on=messages(b"1", end=rb"\n")),),
        "lines, if the template ends with one",
    ),
    Case(
        "stream-deletion",
        "9",
        (
            Stream(
                STREAM,
                during=(ONE, Delete(), TWO),
                goes_on=fits(
                    message(b"1"),
                    rb'\{"id":-2,"channel":"{channel}","message":"[^"]*","tag":"\d+","time":"',
                    DATE,
                    rb'"\}',
                    rb'\{"id":\d+,"channel":"{channel}","message":2,"tag":"\d+","time":"',
                    DATE,
                    rb'"\}',
                ),
            ),
        ),
        "the notice with the epoch as its cursor, and the end of the stream",
        STAYS,
    ),
    Case(
        "stream-gzip",
        "8.7",
        (
            Stream(
                STREAM,
                {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"},
                begins=b"\x1f\x8b",
                asks={"Accept-Encoding": "gzip, deflate, br"},
            ),
        ),
        "compressed, flushed for each message",
    ),
    Case(
        "stream-no-gzip-unasked",
        "8.7",
        (
            Stream(
                STREAM,
                {"Content-Encoding": None, "Vary": "Accept-Encoding"},
                during=(ONE,),
                goes_on=messages(b"1"),
            ),
        ),
        "plain for who does not ask",
    ),
    Case(
        "stream-head",
        "2",
        (asked(STREAM, Expect(200, {**SAFE, "Content-Type": PLAIN}, b""), "HEAD"),),
        "405",
        "HEAD is answered like GET, without a body and never held",
    ),
    Case(
        "stream-not-for-nginx-to-buffer",
        "17",
        (Stream(STREAM, {"X-Accel-Buffering": "no"}),),
        "nothing; streams appear stuck behind a proxy",
        "nginx in front is told not to buffer",
    ),
)
