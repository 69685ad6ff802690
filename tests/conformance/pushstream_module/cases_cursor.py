"""Cases of the cursor: where it is read, in which forms, and what follows it."""

from __future__ import annotations

from tests.conformance.pushstream_module.case import Case
from tests.conformance.pushstream_module.streams import Publish
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

SHORT = "/m/shortpoll/{channel}"
ONE, TWO = Publish(b"1"), Publish(b"2")

UNDERSTOOD = "what clients and proxies really send is understood (19, change 6)"

CASES = (
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
)
