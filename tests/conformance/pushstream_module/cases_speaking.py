"""Cases of publishing over a WebSocket."""

from __future__ import annotations

from tests.conformance.pushstream_module.case import (
    Case,
    Expect,
    Hear,
    Listen,
    Say,
    get,
    json_has,
    message_is,
    post,
)

WS = "/ws-publish/said.{channel}?auth_token={token}"
BY_RULE = "only a rule or a grant of the token lets somebody publish"

CASES = (
    Case(
        "speak-to-everybody",
        "8.5",
        (Listen(WS), Say(b'{"a":1}'), Hear(message_is({"a": 1}))),
        "a text frame goes to the channel, its sender included",
    ),
    Case(
        "speak-text",
        "18",
        (Listen(WS), Say(b"hello%20world"), Hear(message_is("hello%20world"))),
        "the stock client escapes its text; it is published as it is",
    ),
    Case(
        "speak-to-several-channels",
        "8.5",
        (
            Listen("/ws-publish/said.{channel}/said.{other}?auth_token={token}"),
            Say(b"1"),
            Hear(message_is(1)),
            Hear(message_is(1)),
            get("/channels-stats?id=said.{other}", Expect(body=json_has(published_messages=1))),
        ),
        "to every channel of the connection, a tag each",
    ),
    Case(
        "speak-is-stored",
        "3.2",
        (
            Listen(WS),
            Say(b"1"),
            Hear(message_is(1)),
            get("/channels-stats?id=said.{channel}", Expect(body=json_has(stored_messages=1))),
        ),
        "push_stream_store_messages of the location decides",
        "the channel's rule decides",
    ),
    Case(
        "speak-in-turn",
        "16",
        (Listen(WS), Say(b"1"), Say(b"2"), Say(b"3"), *(Hear(message_is(n)) for n in (1, 2, 3))),
        "a second frame in a segment is read only when more comes",
        "every frame is read as it comes",
    ),
    Case(
        "speak-where-it-is-off",
        "8.5",
        (
            Listen("/websocket/said.{channel}?auth_token={token}"),
            Say(b"1"),
            post("/pub?id=said.{channel}", b"2"),
            Hear(message_is(2)),
        ),
        "text is ignored where push_stream_websocket_allow_publish is off",
    ),
    Case(
        "speak-without-a-rule",
        "8.5",
        (
            Listen("/ws-publish/{channel}?auth_token={token}"),
            Say(b"1"),
            post("/pub?id={channel}", b"2"),
            Hear(message_is(2)),
        ),
        "whoever is connected publishes",
        BY_RULE,
    ),
    Case(
        "speak-without-a-token",
        "8.5",
        (
            Listen("/ws-publish/said.{channel}"),
            Say(b"1"),
            post("/pub?id=said.{channel}", b"2"),
            Hear(message_is(2)),
        ),
        "whoever is connected publishes",
        BY_RULE,
    ),
)
