"""Cases of server-sent events."""

from __future__ import annotations

from tests.conformance.pushstream_module.case import Case, Expect
from tests.conformance.pushstream_module.streams import (
    Delete,
    Publish,
    Stream,
)
from tests.conformance.pushstream_module.words import (
    EPOCH,
    EVENTS,
    HERE,
    SAFE,
    asked,
    fits,
    message,
    poll,
)

ONE, TWO = Publish(b"1"), Publish(b"2")
FIRST = poll("/m/shortpoll/{channel}", 304)
RETRY = b"retry: 3000\n\n"
ID = rb"id: \d+-\d+\n"
PLACE = ID + b"\n"
"""The reader's place, before there is any event: browsers come back with it."""

GAP = rb"(?:id: \d+-\d+\nevent: gap\ndata: [^\n]*\n\n)?"
"""A cursor before the store's beginning is before what it has."""

EVENT_SOURCE = "/m/eventsource/{channel}"

EVENT_ID = "every event has the cursor as its id, so browsers resume (19, change 9)"
BLANK = "blank lines are kept (19, change 9)"
STAYS = "nothing is closed: a channel that comes back is heard again (16.18)"

CASES = (
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
                goes_on=fits(PLACE, ID, b"data: hello\n\n"),
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
                goes_on=fits(PLACE, ID, b"event: note\ndata: 1\n\n"),
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
                goes_on=fits(PLACE, ID, b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
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
                goes_on=fits(PLACE, ID, b"data: a\ndata: \ndata: b\ndata: \n\n"),
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
                goes_on=fits(PLACE, ID, b"data: \ndata: \n\n"),
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
                goes_on=fits(PLACE, ID, b"data: ", message(rb'"a\nb"'), b"\n\n"),
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
                goes_on=fits(PLACE, GAP, ID, b"data: 1\n\n", ID, b"data: 2\n\n"),
                asks={"Last-Event-ID": "0-0"},
            ),
        ),
        "the publisher's own event id; an unknown one gets nothing",
        "an event's id is its cursor",
    ),
    Case(
        "eventsource-event-id-before-its-url",
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
                goes_on=fits(PLACE, ID, b"data: 3\n\n"),
                asks={"Last-Event-ID": "{seconds}-{tag}"},
            ),
        ),
        "the cursor of the URL, which a browser repeats: messages come twice",
        "the event id counts: the URL is as old as the page",
    ),
    Case(
        "eventsource-header-and-footer",
        "8.4",
        (
            FIRST,
            ONE,
            Stream(
                f"/framed/eventsource/{{channel}}?{HERE}",
                begins=RETRY + b": H\n\n",
                goes_on=fits(PLACE, ID, b"data: 1\n\n"),
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
                    *(PLACE, ID, b"data: ", message(b"1"), b"\n\n"),
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
