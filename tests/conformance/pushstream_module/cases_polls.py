"""Cases of short and long polls: their bodies, their cursors, their headers."""

from __future__ import annotations

import re

from tests.conformance.pushstream_module.case import Case, Expect, get
from tests.conformance.pushstream_module.streams import Delete, Held, Pipelined, Publish
from tests.conformance.pushstream_module.words import (
    CURSOR,
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
    refused,
)

SHORT, LONG = "/m/shortpoll/{channel}", "/m/longpoll/{channel}"
FIRST = poll(SHORT, 304)
ONE, TWO = Publish(b"1"), Publish(b"2")

FIRST_CURSOR = "a poller without a cursor would miss what comes between its polls (19, change 5)"
ORDER = "one order over all channels, so that a reader that is cut off resumes without a hole"
HEAD_TOO = "HEAD is answered like GET, without a body and never held"
UNDERSTOOD = "what clients and proxies really send is understood (19, change 6)"
STORE_TIME = "the cursor is the store's own, so nothing stamped later can lie before it"

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
    # --- cursors ---------------------------------------------------------------------------------
    Case(
        "cursor-in-validators",
        "7.2",
        (
            ONE,
            poll(f"{SHORT}?{EPOCH}"),
            TWO,
            poll(
                SHORT,
                body=fits(message(b"2", 2)),
                If_None_Match="W/{tag}",
                If_Modified_Since="{date}",
            ),
        ),
        "If-None-Match and If-Modified-Since are tag and time",
    ),
    Case(
        "cursor-quoted-etag",
        "7.2",
        (
            ONE,
            poll(f"{SHORT}?{EPOCH}"),
            TWO,
            poll(
                SHORT,
                body=fits(message(b"2", 2)),
                If_None_Match='W/"{tag}"',
                If_Modified_Since="{date}",
            ),
        ),
        "a quoted tag is no tag: the rest of the second is lost",
        UNDERSTOOD,
    ),
    Case(
        "cursor-weak-tag-in-query",
        "7.2",
        (
            ONE,
            poll(f"{SHORT}?{EPOCH}"),
            TWO,
            poll(f"{SHORT}?tag=W/{{tag}}&time={{time}}", body=fits(message(b"2", 2))),
        ),
        "a leading W/ is stripped",
    ),
    Case(
        "cursor-etag-alone",
        "13.4",
        (ONE, poll(f"{SHORT}?{EPOCH}"), poll(SHORT, 304, If_None_Match="W/{tag}")),
        "304 followed by the message as a body: lost, and the connection out of step",
        "only the pair is a cursor, and a 304 has no body (19, change 6)",
    ),
    Case(
        "cursor-star",
        "13.4",
        (ONE, poll(f"{SHORT}?{EPOCH}", body=messages(b"1"), If_None_Match="*")),
        "304 followed by the message as a body",
        "validators that are no cursor are ignored",
    ),
    Case(
        "cursor-other-preconditions",
        "16.16",
        (
            ONE,
            poll(
                f"{SHORT}?{EPOCH}",
                body=messages(b"1"),
                If_Match='"x"',
                If_Unmodified_Since="Thu, 01 Jan 1970 00:00:00 GMT",
                If_Range='"x"',
                Range="bytes=0-1",
            ),
        ),
        "412 of the host server",
        "headers that are no cursor do not matter (19, change 8)",
    ),
    Case(
        "cursor-tag-alone",
        "7.3",
        (ONE, poll(f"{SHORT}?tag=0", 304)),
        "no cursor",
    ),
    Case(
        "cursor-time-alone",
        "7.3",
        (ONE, poll(f"{SHORT}?{EPOCH}"), poll(f"{SHORT}?time={{time}}", 304)),
        "everything after that second; the rest of it is skipped",
    ),
    Case(
        "cursor-tag-zero",
        "7.3",
        (
            ONE,
            poll(f"{SHORT}?{EPOCH}"),
            poll(f"{SHORT}?tag=0&time={{time}}", body=messages(b"1")),
        ),
        "from the beginning of that second",
    ),
    Case(
        "cursor-empty-tag",
        "7.2",
        (ONE, poll(f"{SHORT}?{EPOCH}"), poll(f"{SHORT}?tag=&time={{time}}", 304)),
        "as if there were none",
    ),
    Case(
        "cursor-plus-for-space",
        "7.2",
        (
            ONE,
            poll(
                f"{SHORT}?tag=0&time=Thu,+01+Jan+1970+00:00:00+GMT",
                body=messages(b"1"),
            ),
        ),
        "no cursor, silently",
        UNDERSTOOD,
    ),
    Case(
        "cursor-epoch-seconds",
        "7.2",
        (ONE, poll(f"{SHORT}?tag=0&time=1", body=messages(b"1"))),
        "no cursor, silently",
        UNDERSTOOD,
    ),
    Case(
        "cursor-rfc-850",
        "7.2",
        (
            ONE,
            poll(
                f"{SHORT}?tag=0&time=Thursday,%2001-Jan-70%2000:00:00%20GMT",
                body=messages(b"1"),
            ),
        ),
        "accepted",
    ),
    Case(
        "cursor-asctime",
        "7.2",
        (
            ONE,
            poll(f"{SHORT}?tag=0&time=Thu%20Jan%20%201%2000:00:00%201970", body=messages(b"1")),
        ),
        "accepted",
    ),
    Case(
        "cursor-zone-is-not-read",
        "7.2",
        (
            ONE,
            poll(
                f"{SHORT}?tag=0&time=Thu,%2001%20Jan%201970%2000:00:00%20%2B0300",
                body=messages(b"1"),
            ),
        ),
        "+0300 counts as GMT",
    ),
    Case("cursor-rubbish-time", "7.2", (ONE, poll(f"{SHORT}?tag=0&time=x", 304)), "no cursor"),
    Case(
        "cursor-rubbish-tag",
        "7.2",
        (asked(f"{SHORT}?tag=x&{EPOCH[6:]}", refused(400, "tag", {"ETag": None})),),
        "as if there were none: messages are skipped",
        "a client's mistake that would lose messages is told",
    ),
    Case(
        "cursor-arguments-any-case",
        "7.2",
        (
            ONE,
            poll(
                f"{SHORT}?TAG=0&Time=Thu,%2001%20Jan%201970%2000:00:00%20GMT",
                body=messages(b"1"),
            ),
        ),
        "names of arguments are case-insensitive",
    ),
    Case(
        "cursor-first-argument-wins",
        "7.2",
        (ONE, poll(f"{SHORT}?{EPOCH}&tag=9&time=x", body=messages(b"1"))),
        "the first of repeated arguments",
    ),
    Case(
        "cursor-query-before-validators",
        "3.3",
        (
            ONE,
            poll(f"{SHORT}?{EPOCH}"),
            poll(
                f"{SHORT}?{EPOCH}",
                body=messages(b"1"),
                If_None_Match="W/{tag}",
                If_Modified_Since="{date}",
            ),
        ),
        "an argument that is set is the cursor, and the headers are not looked at",
    ),
    Case(
        "cursor-of-the-future",
        "7.3",
        (
            ONE,
            poll(f"{SHORT}?tag=1&time=Fri,%2031%20Dec%209999%2023:59:59%20GMT", 304),
            TWO,
            poll(f"{SHORT}?{HERE}", body=fits(message(b"2", 2))),
        ),
        "nothing from history; and the client keeps its future",
        "a future that a clock made up becomes now, and the client goes on from there",
    ),
    Case(
        "cursor-other-arguments",
        "3.3",
        (
            ONE,
            poll(
                "/arguments/{channel}?rank=0&since=Thu,%2001%20Jan%201970%2000:00:00%20GMT",
                body=messages(b"1", end=rb"\n"),
            ),
            poll("/arguments/{channel}?tag=0&time=Thu,%2001%20Jan%201970%2000:00:00%20GMT", 304),
        ),
        "the mount says which arguments carry it",
    ),
    Case(
        "cursor-event-id-argument",
        "3.3",
        (
            ONE,
            poll("/arguments/{channel}?last=0-0", body=messages(b"1", end=rb"\n")),
            poll("/arguments/{channel}?last=0:W/0", body=messages(b"1", end=rb"\n")),
        ),
        "the publisher's own event id is looked for",
        "an event's id is its cursor, so it is never unknown, nor twice there",
    ),
    # --- long polls ------------------------------------------------------------------------------
    Case(
        "long-backlog",
        "8.2",
        (ONE, TWO, poll(f"{LONG}?{EPOCH}", body=messages(b"1", b"2"))),
        "answered at once, like a short poll",
    ),
    Case(
        "long-woken",
        "8.2",
        (
            FIRST,
            Held(f"{LONG}?{HERE}", (ONE,), Expect(200, {**SAFE, **CURSOR}, messages(b"1"))),
        ),
        "the message, with its cursor",
    ),
    Case(
        "long-woken-by-another-channel",
        "7.4",
        (
            FIRST,
            Held(
                f"/m/longpoll/{{channel}}/{{other}}?{HERE}",
                (Publish(b"1", "{other}"),),
                Expect(200, {**SAFE, **CURSOR}, fits(message(b"1", 1, b"{other}"))),
            ),
        ),
        "the first message on any channel",
    ),
    Case(
        "long-timeout",
        "8.2",
        (poll(LONG, 304), poll(f"{LONG}?{HERE}", 304)),
        "304 with now and W/0, a body never",
        STORE_TIME,
    ),
    Case(
        "long-timeout-then-message",
        "8.2",
        (poll(LONG, 304), ONE, poll(f"{LONG}?{HERE}", body=messages(b"1"))),
        "a message of the same second is found with that cursor",
    ),
    Case(
        "long-timeout-with-body",
        "9",
        (
            poll(
                "/body-timeout/{channel}",
                body=fits(
                    rb'\{"id":-3,"channel":"","message":"Timed out","tag":"\d+","time":"',
                    DATE,
                    rb'"\}\n',
                ),
            ),
        ),
        "200 with a message -3 whose time is the epoch and whose text breaks the JSON",
        "control messages are as valid as others, and their cursor is safe to keep",
    ),
    Case(
        "long-timeout-body-resumes",
        "9",
        (
            poll("/body-timeout/{channel}"),
            ONE,
            poll(f"/body-timeout/{{channel}}?{HERE}", body=messages(b"1", end=rb"\n")),
        ),
        "now and W/0 in the headers",
    ),
    Case(
        "long-deletion",
        "9",
        (
            ONE,
            poll(f"{SHORT}?{EPOCH}"),
            Held(
                f"{LONG}?{HERE}",
                (Delete(),),
                Expect(
                    200,
                    {**SAFE, **CURSOR},
                    fits(rb'\{"id":-2,"channel":"{channel}","message":".*","tag":"\d+".*'),
                ),
            ),
        ),
        "200 with the notice -2, which is no JSON and carries the epoch",
        "valid, and with its own cursor: who keeps it goes on from there",
    ),
    Case(
        "long-pipelined",
        "8.2",
        (
            ONE,
            Pipelined(
                f"GET /m/longpoll/{{channel}}?{EPOCH} HTTP/1.1\r\nHost: {{host}}\r\n\r\n"
                f"GET /m/shortpoll/{{channel}}?{EPOCH} HTTP/1.1\r\nHost: {{host}}\r\n\r\n".encode(),
                (200, 200),
            ),
        ),
        "the second is answered behind the first",
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
