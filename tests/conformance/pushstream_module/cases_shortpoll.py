"""Cases of short polls: first contact, bodies, and what goes for every poll."""

from __future__ import annotations

import re

from tests.conformance.pushstream_module.case import Case, Expect, get
from tests.conformance.pushstream_module.streams import Held, Pipelined, Publish
from tests.conformance.pushstream_module.words import (
    CURSOR,
    EPOCH,
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

SHORT = "/m/shortpoll/{channel}"
FIRST = poll(SHORT, 304)
ONE, TWO = Publish(b"1"), Publish(b"2")

FIRST_CURSOR = "a poller without a cursor would miss what comes between its polls (19, change 5)"
ORDER = "one order over all channels, so that a reader that is cut off resumes without a hole"
HEAD_TOO = "HEAD is answered like GET, without a body and never held"

CASES = (
    # --- first contact ---------------------------------------------------------------------------
    Case("short-first-contact", "7.5", (FIRST,), "304 without a cursor, for ever", FIRST_CURSOR),
    Case(
        "short-first-contact-loses-nothing",
        "7.5",
        (FIRST, ONE, poll(f"{SHORT}?{HERE}", body=messages(b"1"))),
        "the message is lost",
        FIRST_CURSOR,
    ),
    Case(
        "short-reading-creates-nothing",
        "11",
        (FIRST, get("/channels-stats?id={channel}", Expect(404))),
        "the poll has created the channel",
        "strangers make no state (19, change 12)",
    ),
    # --- bodies ----------------------------------------------------------------------------------
    Case(
        "short-one-message",
        "8.1",
        (ONE, poll(f"{SHORT}?{EPOCH}", body=messages(b"1"), headers={"Content-Type": PLAIN})),
        "200, text/plain, the template filled in",
    ),
    Case(
        "short-several-messages",
        "8.1",
        (ONE, TWO, poll(f"{SHORT}?{EPOCH}", body=messages(b"1", b"2"))),
        "concatenated, without a separator",
    ),
    Case(
        "short-lines",
        "8.1",
        (
            ONE,
            TWO,
            poll(
                f"/shortpoll/{{channel}}?{EPOCH}",
                body=messages(b"1", b"2", end=rb"\n"),
            ),
        ),
        "lines, if the template ends with one",
    ),
    Case(
        "short-several-channels",
        "7.4",
        (
            Publish(b"1"),
            Publish(b"2", "{other}"),
            Publish(b"3"),
            poll(
                f"/m/shortpoll/{{channel}}/{{other}}?{EPOCH}",
                body=fits(message(b"1"), message(b"2", 1, b"{other}"), message(b"3", 2)),
            ),
        ),
        "grouped by channel, in path order",
        ORDER,
    ),
    Case(
        "short-several-channels-other-way",
        "7.4",
        (
            Publish(b"1"),
            Publish(b"2", "{other}"),
            poll(
                f"/m/shortpoll/{{other}}/{{channel}}?{EPOCH}",
                body=fits(message(b"1"), message(b"2", 1, b"{other}")),
            ),
        ),
        "{other} first",
        ORDER,
    ),
    Case(
        "short-nothing-new",
        "8.1",
        (ONE, poll(f"{SHORT}?{EPOCH}"), poll(f"{SHORT}?{HERE}", 304)),
        "304 without a body, the client's cursor echoed",
        "the cursor of now: nothing before it is missing",
    ),
    Case(
        "short-goes-on",
        "7.3",
        (
            ONE,
            poll(f"{SHORT}?{EPOCH}"),
            TWO,
            poll(f"{SHORT}?{HERE}", body=fits(message(b"2", 2))),
            poll(f"{SHORT}?{HERE}", 304),
        ),
        "strictly after the cursor, once",
    ),
    # --- methods, headers, other modes -----------------------------------------------------------
    Case(
        "poll-head",
        "2",
        (ONE, asked(f"{SHORT}?{EPOCH}", Expect(200, {**SAFE, **CURSOR}, b""), "HEAD")),
        "405",
        HEAD_TOO,
    ),
    Case(
        "poll-options",
        "2",
        (asked(SHORT, Expect(200, {"Access-Control-Allow-Origin": "*"}), "OPTIONS"),),
        "200, with CORS headers where origins are allowed",
    ),
    Case(
        "poll-post",
        "2",
        (asked(SHORT, refused(405, headers={"Allow": "GET, HEAD, OPTIONS"}), "POST"),),
        "405 with Allow: GET",
        HEAD_TOO,
    ),
    Case(
        "poll-body-is-not-the-next-request",
        "6",
        (
            Pipelined(
                b"POST /m/shortpoll/{channel} HTTP/1.1\r\nHost: {host}\r\n"
                b"Content-Length: 47\r\n\r\n"
                b"GET /smuggled HTTP/1.1\r\nHost: smuggled.test\r\n\r\n"
                b"GET /m/shortpoll/{channel} HTTP/1.1\r\nHost: {host}\r\n\r\n",
                (405, 304),
            ),
        ),
        "405, and the body is executed as the next request",
        "a refused body is read and dropped (19, change 8)",
    ),
    Case(
        "poll-get-with-body",
        "6",
        (
            Pipelined(
                b"GET /m/shortpoll/{channel} HTTP/1.1\r\nHost: {host}\r\n"
                b"Content-Length: 5\r\n\r\nhello"
                b"GET /m/shortpoll/{channel} HTTP/1.1\r\nHost: {host}\r\n\r\n",
                (400, 304),
            ),
        ),
        "answered; the body is taken for the next request",
        "a subscription has no body, and says so",
    ),
    Case(
        "poll-content-type-does-not-follow-the-name",
        "13.1",
        (
            Publish(b"1", "{channel}.html"),
            poll(
                f"/m/shortpoll/{{channel}}.html?{EPOCH}",
                headers={"Content-Type": PLAIN},
            ),
        ),
        "text/html for a channel x.html",
        "a fixed type with nosniff (19, change 8)",
    ),
    Case(
        "poll-content-type-of-the-mount",
        "13.1",
        (
            ONE,
            poll(f"/json/{{channel}}?{EPOCH}", headers={"Content-Type": "application/json"}),
        ),
        "the location's default type",
    ),
    Case(
        "poll-etag-can-be-read",
        "13.3",
        (
            poll(
                SHORT,
                304,
                headers={"Access-Control-Expose-Headers": re.compile(".*ETag.*")},
                Origin="https://page.test",
            ),
        ),
        "never exposed: a page of another origin loses its place",
        "pages of allowed origins can read the cursor",
    ),
    Case(
        "short-mode-header-long",
        "2",
        (
            FIRST,
            Held(
                f"{SHORT}?{HERE}",
                (ONE,),
                Expect(200, {**SAFE, **CURSOR}, messages(b"1")),
                {"X-Nginx-PushStream-Mode": "Long-Polling"},
            ),
        ),
        "the header makes it a long poll",
    ),
    Case(
        "stream-mode-header-polling",
        "2",
        (
            ONE,
            poll(
                f"/m/stream/{{channel}}?{EPOCH}",
                body=messages(b"1"),
                X_Nginx_PushStream_Mode="polling",
            ),
        ),
        "the header makes it a poll",
    ),
    Case(
        "eventsource-mode-header-polling",
        "2",
        (
            ONE,
            poll(
                f"/m/eventsource/{{channel}}?{EPOCH}",
                body=b"1\n",
                headers={"Content-Type": PLAIN},
                X_Nginx_PushStream_Mode="polling",
            ),
        ),
        "text/plain with the framing of events",
        "a poll is a poll",
    ),
    Case(
        "stream-mode-header-unknown",
        "2",
        (
            ONE,
            poll(SHORT, 304, X_Nginx_PushStream_Mode="streaming"),
        ),
        "ignored",
    ),
    Case(
        "poll-unknown-path",
        "13.2",
        (asked("/nowhere/{channel}", refused(404, "nothing is served")),),
        "404",
    ),
    Case(
        "poll-gap",
        "16.9",
        (
            *(Publish(b"%d" % number, "few.{channel}") for number in range(4)),
            poll(
                f"/m/shortpoll/few.{{channel}}?{EPOCH}",
                body=fits(message(b"2", 3, b"few.{channel}"), message(b"3", 4, b"few.{channel}")),
                headers={"X-Broker-Gap": re.compile(r"\d+-\d+")},
            ),
        ),
        "what is left, without a sign",
        "a gap is told (19, change 4)",
    ),
)
