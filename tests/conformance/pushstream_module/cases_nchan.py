"""Cases of nchan's publisher; what nchan does was observed on version 1.3.6."""

from __future__ import annotations

import re

from tests.conformance.pushstream_module.case import (
    Ask,
    Case,
    Expect,
    Hear,
    Listen,
    get,
    message_is,
    post,
)

SECTION = "nchan"
IN_WORDS = "a problem document stands in the body, for people and programs"
_ID = rb"\d+:\d+"


def told(
    status: int, messages: int, subscribers: int = 0, requested: int = -1, ident: bytes = _ID
) -> Expect:
    """Return the state of a channel as nchan writes it by default."""
    body = (
        rb"queued messages: %d\r\nlast requested: %d sec\. ago\r\nactive subscribers: %d\r\n"
        rb"last message id: " % (messages, requested, subscribers)
    )
    return Expect(status, {"Content-Type": "text/plain"}, re.compile(body + ident))


JSON = Expect(
    200,
    {"Content-Type": "text/json"},
    re.compile(
        rb'\{"messages": 1, "requested": -1, "subscribers": 0, "last_message_id": "'
        + _ID
        + rb'" \}'
    ),
)
XML = Expect(
    200,
    {"Content-Type": "text/xml"},
    re.compile(
        rb'<\?xml version="1\.0" encoding="UTF-8" \?>\r\n<channel>\r\n  <messages>1</messages>\r\n'
        rb"  <requested>-1</requested>\r\n  <subscribers>0</subscribers>\r\n"
        rb"  <last_message_id>" + _ID + rb"</last_message_id>\r\n</channel>"
    ),
)
YAML = Expect(
    200,
    {"Content-Type": "text/yaml"},
    re.compile(
        rb'---\r\nmessages: 1\r\nrequested: -1\r\nsubscribers: 0\r\nlast_message_id: "'
        + _ID
        + rb'"\r\n\r\n'
    ),
)
PUBLISHED = post("/nchan-pub/{channel}", b"1", told(202, 1))
PATH = "/nchan-pub/{channel}"

CASES = (
    Case("nchan-publish", SECTION, (PUBLISHED,), "202 where nobody listens, and the state as text"),
    Case(
        "nchan-publish-to-subscribers",
        SECTION,
        (Listen(), post(PATH, b"1", told(201, 1, 1, 0)), Hear(message_is(1))),
        "201 where somebody listens",
    ),
    Case("nchan-put", SECTION, (Ask("PUT", PATH, told(202, 1), b"1"),), "PUT publishes, too"),
    Case(
        "nchan-empty-message",
        SECTION,
        (Listen(), post(PATH, b"", told(201, 1, 1, 0)), Hear(message_is(""))),
        "an empty message is one",
    ),
    Case("nchan-get", SECTION, (PUBLISHED, get(PATH, told(200, 1))), "200 and the state"),
    Case("nchan-get-unknown", SECTION, (get(PATH, Expect(404)),), "404, empty", IN_WORDS),
    Case(
        "nchan-get-with-subscriber",
        SECTION,
        (Listen(), get(PATH, told(200, 0, 1, 0, b"0:0"))),
        "the channel exists as long as somebody listens",
    ),
    Case(
        "nchan-json", SECTION, (PUBLISHED, get(PATH, JSON, Accept="application/json")), "text/json"
    ),
    Case("nchan-text-json", SECTION, (PUBLISHED, get(PATH, JSON, Accept="text/json")), "text/json"),
    Case("nchan-xml", SECTION, (PUBLISHED, get(PATH, XML, Accept="application/xml")), "text/xml"),
    Case("nchan-yaml", SECTION, (PUBLISHED, get(PATH, YAML, Accept="text/x-yaml")), "text/yaml"),
    Case(
        "nchan-unknown-form",
        SECTION,
        (PUBLISHED, get(PATH, told(200, 1), Accept="text/html")),
        "text/plain",
    ),
    Case(
        "nchan-delete",
        SECTION,
        (PUBLISHED, Ask("DELETE", PATH, told(200, 1)), get(PATH, Expect(404))),
        "200 and what the channel held; it is known for a while afterwards, 200 and empty",
        "a channel that holds nothing and that nobody listens to is none",
    ),
    Case(
        "nchan-delete-unknown",
        SECTION,
        (Ask("DELETE", PATH, Expect(404)),),
        "404; 200 for a while after a channel was deleted",
        IN_WORDS,
    ),
    Case(
        "nchan-options",
        SECTION,
        (Ask("OPTIONS", PATH, Expect(200, {"Allow": "GET, POST, PUT, DELETE"}, b"")),),
        "200 and Allow",
    ),
    Case(
        "nchan-delete-not-allowed",
        SECTION,
        (Ask("DELETE", "/nchan-pub-normal/{channel}", Expect(405)),),
        "every publisher deletes",
        "a mount deletes only where it says so",
    ),
    Case(
        "nchan-several",
        SECTION,
        (
            post("/nchan-pub/{channel}/{other}", b"1", told(202, 1)),
            get(PATH, told(200, 1)),
            get("/nchan-pub/{other}", told(200, 1)),
        ),
        "nchan_channel_id names several channels; the answer's last message id is 0",
        "the id is that of the last message stored",
    ),
    Case(
        "nchan-no-guessing",
        SECTION,
        (PUBLISHED, get(PATH, Expect(200, {"X-Content-Type-Options": "nosniff"}))),
        "lets clients guess what an answer is",
        "what clients guess may be a page",
    ),
    Case(
        "nchan-no-channel",
        SECTION,
        (post("/nchan-pub", b"1", Expect(400)),),
        "a channel of the empty name",
        "empty ids are refused: nobody means them",
    ),
)
