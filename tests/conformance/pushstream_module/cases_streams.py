"""Cases of streams: HTTP streaming, server-sent events, WebSockets."""

from __future__ import annotations

from tests.conformance.pushstream_module.case import Case, Expect
from tests.conformance.pushstream_module.streams import (
    CLOSE,
    PING,
    PONG,
    Delete,
    Publish,
    Socket,
    Stream,
)
from tests.conformance.pushstream_module.words import (
    DATE,
    EPOCH,
    EVENTS,
    HERE,
    PLAIN,
    SAFE,
    asked,
    fits,
    message,
    messages,
    poll,
    refused,
)

ONE, TWO = Publish(b"1"), Publish(b"2")
FIRST = poll("/m/shortpoll/{channel}", 304)
RETRY = b"retry: 3000\n\n"
ID = rb"id: \d+-\d+\n"

GAP = rb"(?:id: \d+-\d+\nevent: gap\ndata: [^\n]*\n\n)?"
"""A cursor before the store's beginning is before what it has."""

STREAM = "/m/stream/{channel}"
EVENT_SOURCE = "/m/eventsource/{channel}"
SOCKET = "/m/websocket/{channel}"

AT_ONCE = "headers go out at once, so that proxies and scripts see the stream (19, change 9)"
EVENT_ID = "every event has the cursor as its id, so browsers resume (19, change 9)"
BLANK = "blank lines are kept (19, change 9)"
RFC_6455 = "RFC 6455 throughout (19, change 10)"
ORDER = "one order over all channels, so that a reader that is cut off resumes without a hole"
STAYS = "nothing is closed: a channel that comes back is heard again (16.18)"
BEFORE = "refused before the upgrade, where proxies and logs see it (19, change 11)"
REASON = "with a code and the cursor to come back with"
UPGRADED = {"Upgrade": "websocket", "Connection": "Upgrade"}

STREAMING = (
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
            Stream(
                "/framed/stream/{channel}",
                begins=b"H;",
                during=(ONE,),
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

EVENT_STREAMS = (
    Case(
        "eventsource-opens",
        "8.4",
        (
            Stream(
                EVENT_SOURCE,
                {**SAFE, "Content-Type": EVENTS, "Content-Encoding": None},
                begins=RETRY,
                asks={"Accept-Encoding": "gzip"},
            ),
        ),
        "a comment; no retry is ever sent; never compressed",
        "browsers are told when to come back",
    ),
    Case(
        "eventsource-message",
        "8.4",
        (
            Stream(
                EVENT_SOURCE,
                begins=RETRY,
                during=(Publish(b'"hello"'),),
                goes_on=fits(ID, b"data: hello\n\n"),
            ),
        ),
        "id only where the publisher gave one",
        EVENT_ID,
    ),
    Case(
        "eventsource-event-type",
        "8.4",
        (
            Stream(
                EVENT_SOURCE,
                begins=RETRY,
                during=(Publish(b"1", headers={"Event-Type": "note", "Event-Id": "7"}),),
                goes_on=fits(ID, b"event: note\ndata: 1\n\n"),
            ),
        ),
        "id: 7, event: note",
        EVENT_ID,
    ),
    Case(
        "eventsource-lines",
        "8.4",
        (
            Stream(
                EVENT_SOURCE,
                begins=RETRY,
                during=(Publish(rb'"a\nb\r\nc\rd"'),),
                goes_on=fits(ID, b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
            ),
        ),
        "CR, LF and CRLF all split",
    ),
    Case(
        "eventsource-blank-lines",
        "8.4",
        (
            Stream(
                EVENT_SOURCE,
                begins=RETRY,
                during=(Publish(rb'"a\n\nb\n"'),),
                goes_on=fits(ID, b"data: a\ndata: \ndata: b\ndata: \n\n"),
            ),
        ),
        "empty lines are dropped",
        BLANK,
    ),
    Case(
        "eventsource-only-line-breaks",
        "8.4",
        (
            Stream(
                EVENT_SOURCE,
                begins=RETRY,
                during=(Publish(rb'"\n"'),),
                goes_on=fits(ID, b"data: \ndata: \n\n"),
            ),
        ),
        "an empty event",
        BLANK,
    ),
    Case(
        "eventsource-envelope-of-lines",
        "8.4",
        (
            Stream(
                "/eventsource/{channel}",
                begins=RETRY,
                during=(Publish(rb'"a\nb"'),),
                goes_on=fits(ID, b"data: ", message(rb'"a\nb"'), b"\n\n"),
            ),
        ),
        "the template for each line: two broken JSON lines",
        "a message is one event, and its JSON is whole",
    ),
    Case(
        "eventsource-last-event-id",
        "7.3",
        (
            ONE,
            TWO,
            Stream(
                EVENT_SOURCE,
                begins=RETRY,
                goes_on=fits(GAP, ID, b"data: 1\n\n", ID, b"data: 2\n\n"),
                asks={"Last-Event-ID": "0-0"},
            ),
        ),
        "the publisher's own event id; an unknown one gets nothing",
        "an event's id is its cursor",
    ),
    Case(
        "eventsource-reconnect-is-newer-than-its-url",
        "18",
        (
            ONE,
            poll(f"/m/shortpoll/{{channel}}?{EPOCH}"),
            TWO,
            poll(f"/m/shortpoll/{{channel}}?{HERE}"),
            Publish(b"3"),
            Stream(
                f"{EVENT_SOURCE}?{EPOCH}&last=x",
                begins=RETRY,
                goes_on=fits(ID, b"data: 3\n\n"),
                asks={"Last-Event-ID": "{seconds}-{tag}"},
            ),
        ),
        "the cursor of the URL, which a browser repeats: messages come twice",
        "the newer of the two counts",
    ),
    Case(
        "eventsource-header-and-footer",
        "8.4",
        (
            Stream(
                "/framed/eventsource/{channel}",
                begins=RETRY + b": H\n\n",
                during=(ONE,),
                goes_on=fits(ID, b"data: 1\n\n"),
                ends=fits(ID, b"event: close\ndata: .*\n\n: F\n\n"),
            ),
        ),
        "comments; then the end",
        "an event says that it ends and where to go on",
    ),
    Case(
        "eventsource-deletion",
        "9",
        (
            Stream(
                "/eventsource/{channel}",
                begins=RETRY,
                during=(ONE, Delete()),
                goes_on=fits(
                    *(ID, b"data: ", message(b"1"), b"\n\n"),
                    *(ID, rb'data: \{"id":-2,"channel":"{channel}","message":".*"\}\n\n'),
                ),
            ),
        ),
        "the notice, then the end of the stream",
        STAYS,
    ),
    Case(
        "eventsource-head",
        "2",
        (asked(EVENT_SOURCE, Expect(200, {**SAFE, "Content-Type": EVENTS}, b""), "HEAD"),),
        "405",
        "HEAD is answered like GET, without a body and never held",
    ),
)

SOCKETS = (
    Case(
        "websocket-handshake",
        "8.5",
        (
            Socket(
                SOCKET,
                headers={
                    **UPGRADED,
                    "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                    "Sec-WebSocket-Protocol": None,
                    "Sec-WebSocket-Extensions": None,
                    "Cache-Control": "no-cache, no-store, must-revalidate",
                },
            ),
        ),
        "101 with the proof of the key",
    ),
    Case(
        "websocket-message",
        "8.5",
        (Socket(SOCKET, during=(ONE, TWO), hears=(messages(b"1"), fits(message(b"2", 2)))),),
        "one text frame each",
    ),
    Case(
        "websocket-history",
        "7.4",
        (
            ONE,
            Socket(
                f"{SOCKET}?{EPOCH}",
                during=(TWO,),
                hears=(messages(b"1"), fits(message(b"2", 2))),
            ),
        ),
        "matching history, then live",
    ),
    Case(
        "websocket-ping",
        "8.5",
        (Socket(SOCKET, sends=((PING, b"abc"),), answered=((PONG, b"abc"),)),),
        "a pong without the payload",
        RFC_6455,
    ),
    Case(
        "websocket-close-without-code",
        "8.5",
        (Socket(SOCKET, sends=((CLOSE, b""),), answered=((CLOSE, b""),)),),
        "an empty close frame",
    ),
    Case(
        "websocket-close-with-code",
        "8.5",
        (Socket(SOCKET, sends=((CLOSE, b"\x03\xe8"),), answered=((CLOSE, b"\x03\xe8"),)),),
        "the connection is cut without a close frame",
        RFC_6455,
    ),
    Case(
        "websocket-text-is-dropped",
        "8.5",
        (
            Socket(
                SOCKET,
                sends=((1, b"hello"), (PING, b"1"), (PING, b"2")),
                answered=((PONG, b"1"), (PONG, b"2")),
            ),
        ),
        "text is ignored where publishing is off; a second frame waits for more data",
        RFC_6455,
    ),
    Case(
        "websocket-subprotocol",
        "8.5",
        (
            Socket(
                SOCKET,
                during=(Publish(b"1"),),
                hears=(fits(rb"id: \d+:\d+\n\n", message(b"1")),),
                headers={"Sec-WebSocket-Protocol": "ws+meta.nchan"},
                asks={"Sec-WebSocket-Protocol": "other, ws+meta.nchan"},
            ),
        ),
        "none is ever selected, and browsers fail",
        "one that is spoken is selected (19, change 10)",
    ),
    Case(
        "websocket-subprotocol-resumes",
        "7.3",
        (
            ONE,
            poll(f"/m/shortpoll/{{channel}}?{EPOCH}"),
            TWO,
            Socket(
                f"{SOCKET}?last_event_id={{seconds}}%3A{{tag}}",
                hears=(fits(message(b"2", 2)),),
            ),
        ),
        "no such argument",
        "what nchan's clients send is understood where a mount says so",
    ),
    Case(
        "websocket-ttl",
        "8.5",
        (
            Socket(
                "/framed/websocket/{channel}",
                during=(ONE,),
                hears=(b"H", b"1", b"F"),
            ),
        ),
        "header, messages, footer, a close frame without a code",
        REASON,
    ),
    Case(
        "websocket-deletion",
        "9",
        (
            Socket(
                SOCKET,
                during=(ONE, Delete(), TWO),
                hears=(
                    messages(b"1"),
                    fits(rb'\{"id":-2,"channel":"{channel}","message":"[^"]*","tag":"\d+".*'),
                    fits(rb'\{"id":\d+,"channel":"{channel}","message":2,.*'),
                ),
            ),
        ),
        "the notice, then the end",
        STAYS,
    ),
    Case(
        "websocket-refused",
        "8.5",
        (asked("/m/websocket/ALL", refused(400, "reserved")),),
        "101, then 1008 with the reason as JSON",
        BEFORE,
    ),
    Case(
        "websocket-no-channel",
        "8.5",
        (asked("/m/websocket/", refused(400, "no channel")),),
        "101, then the connection is cut",
        BEFORE,
    ),
    Case(
        "websocket-without-upgrade",
        "13.2",
        (asked(SOCKET, refused(426, headers={"Sec-WebSocket-Version": "13"})),),
        "400",
        "the status that says what is missing (RFC 9110, section 15.5.22)",
    ),
    Case(
        "websocket-options",
        "2",
        (asked(SOCKET, Expect(200), "OPTIONS"),),
        "405",
        "answered like the others",
    ),
    Case(
        "websocket-post",
        "2",
        (asked(SOCKET, refused(405, headers={"Allow": "GET, OPTIONS"}), "POST"),),
        "405",
    ),
)

CASES = (*STREAMING, *EVENT_STREAMS, *SOCKETS)
