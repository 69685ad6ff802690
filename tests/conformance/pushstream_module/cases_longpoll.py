"""Cases of long polls."""

from __future__ import annotations

from tests.conformance.pushstream_module.case import Case, Expect
from tests.conformance.pushstream_module.streams import Delete, Held, Pipelined, Publish
from tests.conformance.pushstream_module.words import (
    CURSOR,
    DATE,
    EPOCH,
    HERE,
    SAFE,
    fits,
    message,
    messages,
    poll,
)

SHORT, LONG = "/m/shortpoll/{channel}", "/m/longpoll/{channel}"
BRIEF = "/brief/longpoll/{channel}"
FIRST = poll(SHORT, 304)
ONE, TWO = Publish(b"1"), Publish(b"2")

STORE_TIME = "the cursor is the store's own, so nothing stamped later can lie before it"

CASES = (
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
        (poll(BRIEF, 304), poll(f"{BRIEF}?{HERE}", 304)),
        "304 with now and W/0, a body never",
        STORE_TIME,
    ),
    Case(
        "long-timeout-then-message",
        "8.2",
        (poll(BRIEF, 304), ONE, poll(f"{BRIEF}?{HERE}", body=messages(b"1"))),
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
)
