"""Cases of WebSockets."""

from __future__ import annotations

from tests.conformance.pushstream_module.case import Case, Expect
from tests.conformance.pushstream_module.streams import (
    CLOSE,
    PING,
    PONG,
    Delete,
    Publish,
    Socket,
)
from tests.conformance.pushstream_module.words import (
    EPOCH,
    HERE,
    asked,
    fits,
    message,
    messages,
    poll,
    refused,
)

ONE, TWO = Publish(b"1"), Publish(b"2")
FIRST = poll("/m/shortpoll/{channel}", 304)

SOCKET = "/m/websocket/{channel}"

RFC_6455 = "RFC 6455 throughout (19, change 10)"
STAYS = "nothing is closed: a channel that comes back is heard again (16.18)"
BEFORE = "refused before the upgrade, where proxies and logs see it (19, change 11)"
REASON = "with a code and the cursor to come back with"
UPGRADED = {"Upgrade": "websocket", "Connection": "Upgrade"}

CASES = (
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
            FIRST,
            ONE,
            Socket(
                f"/framed/websocket/{{channel}}?{HERE}",
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
