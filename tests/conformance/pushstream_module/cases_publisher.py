"""Cases of the module's publisher."""

from __future__ import annotations

import re

from tests.conformance.pushstream_module.case import (
    Ask,
    Case,
    Expect,
    Hear,
    Listen,
    Raw,
    get,
    json_has,
    message_is,
    post,
)

EXPLAIN = "X-Nginx-PushStream-Explain"
PROBLEM = "application/problem+json"
EPOCH = "tag=0&time=Thu,%2001%20Jan%201970%2000:00:00%20GMT"

IN_WORDS = "a problem document stands in the body, for people and programs"
NO_STATE = "a refused publish creates no channel"
RULES = "no channel is written without a rule"


def info(published: int, stored: int, subscribers: int = 0) -> bytes:
    """Return the state of the case's channel as the module writes it."""
    return (
        b'{"channel": "{channel}", "published_messages": %d, "stored_messages": %d, '
        b'"subscribers": %d}\r\n' % (published, stored, subscribers)
    )


def state(published: int, stored: int, subscribers: int = 0) -> Expect:
    """Return the answer that tells the state of the case's channel."""
    headers = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}
    return Expect(200, headers, info(published, stored, subscribers))


def read(message: object, channel: str = "{channel}") -> Ask:
    """Return a poll that must find this message last."""
    target = f"/shortpoll/{channel}?{EPOCH}"
    return Ask("GET", target, Expect(body=message_is(message)), listener="public")


def refused(status: int, explain: str | re.Pattern[str]) -> Expect:
    """Return a refusal with a reason."""
    headers = {EXPLAIN: explain, "Content-Type": PROBLEM, "X-Content-Type-Options": "nosniff"}
    return Expect(status, headers)


GONE = refused(404, re.compile(".+"))
EMPTY = refused(400, "Empty post requests are not allowed.")
NO_CHANNEL = refused(400, "No channel id provided.")
NOT_ALLOWED = refused(403, "Channel id not authorized for this method.")
GROUP = re.compile(
    rb'\{"hostname": "[^"]+", "time": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "channels": \d+, '
    rb'"wildcard_channels": 0, "uptime": \d+, "infos": \[\r\n'
    rb'\{"channel": "{channel}", "published_messages": 1, "stored_messages": 1, "subscribers": 0\},'
    rb"\r\n"
    rb'\{"channel": "{other}", "published_messages": 1, "stored_messages": 1, "subscribers": 0\}'
    rb"\r\n\]\}\r\n"
)
_LONG = "x" * 300
_TEXT = b'line 1\r\n\tline "2" \\ \xc3\xa9\xe2\x82\xac~text~ '

PUBLISHING = (
    Case(
        "publish-post",
        "6",
        (post("/pub?id={channel}", b"1", state(1, 1)), read(1)),
        "200 and the channel's state, as JSON with CRLF",
    ),
    Case(
        "publish-put",
        "6",
        (Ask("PUT", "/pub?id={channel}", state(1, 1), b"1"), read(1)),
        "PUT is POST",
    ),
    Case(
        "publish-counts",
        "6",
        (
            post("/pub?id={channel}", b"1", state(1, 1)),
            post("/pub?id={channel}", b"2", state(2, 2)),
        ),
        "published and stored messages count up",
    ),
    Case(
        "publish-several",
        "6",
        (
            post("/pub?id={channel}/{other}", b"7", Expect(body=GROUP)),
            read(7),
            read(7, "{other}"),
        ),
        "the message goes to each channel; the answer is the group form, in path order",
    ),
    Case(
        "publish-several-encoded-slash",
        "5",
        (post("/pub?id={channel}%2F{other}", b"7", Expect(body=GROUP)),),
        "%2F splits like a slash",
    ),
    Case(
        "publish-several-one-refused",
        "6",
        (post("/pub?id={channel}/ALL", b"1", NOT_ALLOWED), get("/pub?id={channel}", GONE)),
        "refused as a whole, though earlier channels may keep the message when the zone is full",
        "all of them or none, whatever happens (P6)",
    ),
    Case(
        "publish-twice-named",
        "5",
        (post("/pub?id={channel}/{channel}", b"1", state(1, 1)),),
        "the message is stored twice",
        "a channel counts once in a request: nobody wants a message twice",
    ),
    Case(
        "publish-trailing-slash",
        "5",
        (post("/pub?id={channel}/", b"1", state(1, 1)),),
        "one slash at the end is left out",
    ),
    Case(
        "publish-leading-slash",
        "18",
        (post("/pub?id=/{channel}", b"1", state(1, 1)), post("/pub?id=/", b"1", NO_CHANNEL)),
        "the stock client writes it so, and also publishes to the channel with the empty id",
        "the slash is left out: nobody means the empty id",
    ),
    Case(
        "publish-empty-segment",
        "5",
        (post("/pub?id={channel}//{other}", b"1", refused(400, re.compile(".*empty.*"))),),
        "the empty segment is a channel with the empty id",
        "empty ids are refused: nobody means them",
    ),
    Case(
        "publish-plus-stays",
        "5",
        (
            post("/pub?id={channel}%2Bx+y", b"1", Expect(body=json_has(stored_messages=1))),
            get("/channels-stats?id={channel}%2bx%2by", Expect(body=json_has(stored_messages=1))),
        ),
        "+ stays +, escaped or not",
    ),
    Case(
        "publish-decoded-once",
        "5",
        (
            post("/pub?id={channel}%2541", b"1", Expect(body=json_has(stored_messages=1))),
            get("/pub?id={channel}%2541", Expect(body=json_has(stored_messages=1))),
            get("/pub?id={channel}A", GONE),
        ),
        "an id in an argument is percent-decoded once",
    ),
    Case(
        "publish-encoded-question-mark",
        "5",
        (
            post(
                "/pub?id={channel}%3Fm",
                b"1",
                Expect(body=re.compile(rb'\{"channel": "{channel}\?m", .*\r\n')),
            ),
        ),
        "decoding stops behind an encoded ?, so it becomes `q?`",
        "a name is taken whole",
    ),
    Case(
        "publish-broken-escape",
        "5",
        (post("/pub?id={channel}%zz", b"1", refused(400, re.compile(".*percent sign.*"))),),
        "stays as it is written",
        "a broken escape is a mistake of its sender, and told",
    ),
    Case(
        "publish-control-character",
        "5",
        (post("/pub?id={channel}%0d%0aSet-Cookie:x", b"1", Expect(400, {"Set-Cookie": None})),),
        "any byte is allowed; NUL cuts the displayed name",
        "control characters end up in lines and headers of others, so they are refused",
    ),
    Case(
        "publish-name-with-quote",
        "5",
        (
            post(
                "/pub?id={channel}%22%3C%3E",
                b"1",
                Expect(body=re.compile(rb'\{"channel": "{channel}\\"<>", .*\r\n')),
            ),
        ),
        "quotes in an id break the JSON of the answer",
        "names are escaped",
    ),
    Case(
        "publish-argument-any-case",
        "7.2",
        (post("/pub?ID={channel}", b"1", state(1, 1)),),
        "names of arguments are matched in any case",
    ),
    Case(
        "publish-first-argument-counts",
        "7.2",
        (post("/pub?x=1&id={channel}&id={other}", b"1", state(1, 1)), get("/pub?id={other}", GONE)),
        "the first of repeated arguments counts, unknown ones are ignored",
    ),
    Case(
        "publish-chunked",
        "6",
        (
            Raw(
                b"POST /pub?id={channel} HTTP/1.1\r\nHost: {host}\r\n"
                b'Transfer-Encoding: chunked\r\n\r\n2\r\n"a\r\n2\r\nb"\r\n0\r\n\r\n',
                state(1, 1),
            ),
            read("ab"),
        ),
        "a chunked body works",
    ),
    Case(
        "publish-pipelined",
        "6",
        (
            Raw(
                b"POST /pub?id={channel} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\n1"
                b"POST /pub?id={channel} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\n2",
                state(1, 1),
            ),
            Raw(b"", state(2, 2)),
        ),
        "requests in one piece are answered one after the other",
    ),
    Case(
        "publish-without-answer",
        "3.2",
        (post("/pub-silent?id={channel}", b"1", Expect(200, body=b"")), read(1)),
        "with push_stream_channel_info_on_publish off: an empty 200",
    ),
    Case(
        "publish-counts-subscribers",
        "6",
        (Listen(), post("/pub?id={channel}", b"1", state(1, 1, 1))),
        "subscribers are counted in the answer",
    ),
    Case(
        "publish-reaches-subscribers",
        "8.5",
        (Listen(), post("/pub?id={channel}", b'{"a":1}'), Hear(message_is({"a": 1}))),
        "a subscriber gets the message",
    ),
)

BODIES = (
    Case(
        "body-json",
        "4",
        (post("/pub?id={channel}", b'{"a": [1, 2.50]}'), read({"a": [1, 2.5]})),
        'a template such as "message":~text~ makes the JSON part of the envelope',
    ),
    Case(
        "body-text",
        "6",
        (post("/pub?id={channel}", _TEXT, Content_Type="text/plain"), read(_TEXT.decode())),
        "any text is taken; a template without quotes then writes what is no JSON",
        "text becomes a JSON string, so every envelope is JSON",
    ),
    Case(
        "body-text-of-no-type",
        "6",
        (post("/pub?id={channel}", b"hello"), read("hello")),
        "any text is taken, whatever its type",
        "what is no JSON is a JSON string in the envelope",
    ),
    Case(
        "body-form-is-text",
        "6",
        (
            post("/pub?id={channel}", b"a=1&b=2", Content_Type="application/x-www-form-urlencoded"),
            read("a=1&b=2"),
        ),
        "the type of the body is not looked at",
    ),
    Case(
        "body-mount-of-text",
        "6",
        (post("/pub-text?id={channel}", b'{"a": 1}'), read('{"a": 1}')),
        "the text is kept as it is",
    ),
    Case(
        "body-mount-of-json",
        "6",
        (post("/pub-json?id={channel}", b"hello", refused(400, re.compile(".*not JSON.*"))),),
        "any text is taken, and breaks the envelope",
        "a mount may insist on JSON; this is no default",
    ),
    Case(
        "body-says-json-and-is-none",
        "4",
        (
            post(
                "/pub?id={channel}",
                b"{",
                refused(400, re.compile(".*not JSON.*")),
                Content_Type="application/json",
            ),
            get("/pub?id={channel}", GONE),
        ),
        "is taken, and breaks the envelope",
        "who says that it is JSON is told that it is not",
    ),
    Case(
        "body-not-text",
        "6",
        (post("/pub?id={channel}", b"\xff\x00", refused(400, re.compile(".*UTF-8.*"))),),
        "bodies are binary-safe",
        "envelopes are JSON, which is text",
    ),
    Case(
        "body-compressed",
        "6",
        (
            post(
                "/pub?id={channel}",
                b"\x1f\x8b",
                refused(415, re.compile(".*compressed.*")),
                Content_Encoding="gzip",
            ),
        ),
        "the bytes are the message",
        "a few bytes could stand for any number of them",
    ),
    Case(
        "body-empty",
        "6",
        (post("/pub?id={channel}", b"", EMPTY), get("/pub?id={channel}", GONE)),
        "400, and the channel is created nevertheless",
        NO_STATE,
    ),
    Case(
        "body-missing",
        "6",
        (Ask("POST", "/pub?id={channel}", EMPTY),),
        "400",
    ),
    Case(
        "body-chunked-of-nothing",
        "6",
        (
            Raw(
                b"POST /pub?id={channel} HTTP/1.1\r\nHost: {host}\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                EMPTY,
            ),
        ),
        "400",
    ),
    Case(
        "body-too-large-for-the-channel",
        "6",
        (
            post(
                "/pub?id=small.{channel}",
                b'"%b"' % (b"x" * 100),
                refused(413, re.compile(".*16.*")),
            ),
            post("/pub?id=small.{channel}", b"1", Expect(200)),
        ),
        "413 by client_max_body_size, with nginx's page",
        "the limit belongs to the channel, and the answer names it",
    ),
    Case(
        "body-too-large-at-all",
        "6",
        (
            Raw(
                b"POST /pub?id={channel} HTTP/1.1\r\nHost: {host}\r\n"
                b"Content-Length: 99999999999\r\n\r\n",
                Expect(413, {"Connection": "close"}),
            ),
        ),
        "413 before the body is read",
    ),
    Case(
        "body-of-a-refused-request-is-read",
        "6",
        (
            post("/pub?id=ALL", b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", NOT_ALLOWED),
            get("/pub?id={channel}", GONE),
            Ask("POST", "/channels-stats", Expect(405), b"GET /smuggled HTTP/1.1\r\n\r\n"),
            get("/pub?id={channel}", GONE),
            Ask("GET", "/pub?id={channel}", GONE, b"GET /smuggled HTTP/1.1\r\n\r\n"),
            Ask("GET", "/channels-stats?id={channel}", GONE, b"GET /smuggled HTTP/1.1\r\n\r\n"),
            Ask("DELETE", "/pub?id=ALL", NOT_ALLOWED, b"GET /smuggled HTTP/1.1\r\n\r\n"),
            get("/pub?id={channel}", GONE),
        ),
        "the body is parsed as the next request",
        "that lets requests be smuggled past a proxy: the body is read, or the connection closed",
    ),
)

HEADERS = (
    Case(
        "event-id-and-type",
        "6",
        (
            post("/pub?id={channel}", b"1", state(1, 1), Event_Id="e1", Event_Type="note"),
            get(
                "/channels/{channel}/messages",
                Expect(body=re.compile(rb'.*"event_id":"e1","event_type":"note".*')),
            ),
        ),
        "both are stored with the message",
    ),
    Case(
        "event-type-with-control-characters",
        "6",
        (post("/pub?id={channel}", b"1", Expect(400), Event_Type="a\tb"),),
        "anything is taken",
        "it would end up in the lines of event streams",
    ),
    Case(
        "idempotency-key",
        "6",
        (
            post("/pub?id={channel}", b"1", state(1, 1), Idempotency_Key="k-{channel}"),
            post(
                "/pub?id={channel}",
                b"1",
                Expect(200, {"Idempotency-Replayed": "true"}, info(1, 1)),
                Idempotency_Key="k-{channel}",
            ),
        ),
        "is not known there: a retry stores the message twice",
        "a retry is safe",
    ),
    Case(
        "conditional-headers-of-a-publisher",
        "13.2",
        (
            post("/pub?id={channel}", b"1", state(1, 1), If_None_Match="W/1"),
            post("/pub?id={channel}", b"2", state(2, 2), If_None_Match="*"),
        ),
        "the host server checks preconditions by itself: 412 for some of them",
        "only the broker's own If-Match is one",
    ),
    Case(
        "publish-if-match",
        "6",
        (
            post("/pub?id={channel}", b"1"),
            post("/pub?id={channel}", b"2", Expect(412), If_Match="W/999999999"),
        ),
        "is the host server's own affair",
        "a publisher can insist on the message that it knows as the last",
    ),
    Case(
        "publish-cross-origin",
        "13.3",
        (
            post(
                "/pub?id={channel}",
                b"1",
                Expect(403, {"Access-Control-Allow-Origin": None}),
                Origin="https://elsewhere.example",
            ),
        ),
        "answers pages of other sites as push_stream_allowed_origins says",
        "pages do not publish here: they would with the rights of whoever looks at them",
    ),
)

REFUSALS = (
    Case("no-id", "6", (post("/pub", b"1", NO_CHANNEL),), "400", IN_WORDS),
    Case("empty-id", "6", (post("/pub?id=", b"1", NO_CHANNEL),), "400", IN_WORDS),
    Case("get-without-id", "6", (get("/pub", NO_CHANNEL),), "400", IN_WORDS),
    Case("delete-without-id", "6", (Ask("DELETE", "/pub", NO_CHANNEL),), "400", IN_WORDS),
    Case("reserved-id", "5", (post("/pub?id=ALL", b"1", NOT_ALLOWED),), "403", IN_WORDS),
    Case(
        "id-with-asterisk", "5", (post("/pub?id={channel}*", b"1", NOT_ALLOWED),), "403", IN_WORDS
    ),
    Case(
        "id-with-encoded-asterisk",
        "5",
        (post("/pub?id={channel}%2a", b"1", NOT_ALLOWED),),
        "403",
        IN_WORDS,
    ),
    Case(
        "id-too-long",
        "3.1",
        (post(f"/pub?id={_LONG}", b"1", refused(400, "Channel id is too large.")),),
        "400",
        IN_WORDS,
    ),
    Case(
        "own-channel-of-the-broker",
        "11",
        (post("/pub?id=ping", b"1", NOT_ALLOWED),),
        "an ordinary channel; the events channel is 403",
        "ping is filled by the broker alone",
    ),
    Case(
        "no-rule",
        "3.1",
        (post("/pub?id=a.b.c.d.{channel}", b"1", refused(404, re.compile("no pattern.*"))),),
        "any channel can be made, up to push_stream_max_number_of_channels (403)",
        RULES,
    ),
    Case(
        "too-many-ids",
        "5",
        (
            post(
                "/pub?id=" + "/".join(f"{{channel}}.{number}" for number in range(51)),
                b"1",
                refused(400, re.compile(".*at most 50.*")),
            ),
        ),
        "no limit but the length of the request line",
        "one request has a bounded effect; max_publish_channels sets it",
    ),
    Case(
        "method-patch",
        "2",
        (
            Ask(
                "PATCH",
                "/pub?id={channel}",
                Expect(405, {"Allow": re.compile(".*GET.*POST.*PUT.*")}),
            ),
        ),
        "405 with Allow",
    ),
    Case(
        "method-delete-of-normal",
        "2",
        (
            Ask(
                "DELETE",
                "/pub-normal?id={channel}",
                Expect(405, {"Allow": re.compile("(?!.*DELETE).*")}),
            ),
        ),
        "405: only admin deletes",
    ),
    Case(
        "method-options",
        "2",
        (
            Ask(
                "OPTIONS",
                "/pub?id={channel}",
                Expect(200, {"Allow": "GET, POST, PUT, DELETE"}, b""),
            ),
            Ask(
                "OPTIONS", "/pub-normal?id={channel}", Expect(200, {"Allow": "GET, POST, PUT"}, b"")
            ),
        ),
        "200",
    ),
    Case(
        "method-head",
        "2",
        (Ask("HEAD", "/pub?id={channel}", Expect(404)),),
        "405 everywhere",
        "HEAD is GET without a body (RFC 9110, section 9.3.2)",
    ),
)

STATE = (
    Case(
        "get-info",
        "6",
        (post("/pub?id={channel}", b"1"), get("/pub?id={channel}", state(1, 1))),
        "200 and the channel's state",
    ),
    Case("get-unknown", "6", (get("/pub?id={channel}", GONE),), "404, empty", IN_WORDS),
    Case(
        "get-several-one-known",
        "12",
        (post("/pub?id={channel}", b"1"), get("/pub?id={channel}/{other}", state(1, 1))),
        "one survivor gives the single form",
    ),
    Case(
        "get-is-not-cached",
        "13.1",
        (
            post("/pub?id={channel}", b"1"),
            get("/pub?id={channel}", Expect(200, {"Cache-Control": re.compile(".*no-store.*")})),
        ),
        "Expires of 1970 and Cache-Control: no-cache, no-store, must-revalidate",
        "no-store alone forbids caches to keep it (RFC 9111, section 5.2.2.5)",
    ),
    Case(
        "delete",
        "6",
        (
            post("/pub?id={channel}", b"1"),
            Ask("DELETE", "/pub?id={channel}", Expect(200, {EXPLAIN: "Channel deleted."}, b"")),
            get("/pub?id={channel}", GONE),
            Ask("DELETE", "/pub?id={channel}", GONE),
        ),
        "200 and the reason; then the channel is gone",
    ),
    Case("delete-unknown", "6", (Ask("DELETE", "/pub?id={channel}", GONE),), "404", IN_WORDS),
    Case(
        "delete-several",
        "6",
        (
            post("/pub?id={channel}", b"1"),
            Ask("DELETE", "/pub?id={other}/{channel}", Expect(200)),
            get("/pub?id={channel}", GONE),
        ),
        "404 only if none of the listed channels exists",
    ),
    Case(
        "delete-keeps-counting",
        "1",
        (
            post("/pub?id={channel}", b"1"),
            Ask("DELETE", "/pub?id={channel}", Expect(200)),
            post("/pub?id={channel}", b"2", Expect(body=info(3, 1))),
        ),
        "ids start again at 1",
        "ids and cursors go on, so who comes back gets what it missed; the notice has one, too",
    ),
    Case(
        "delete-tells-subscribers",
        "9",
        (
            Listen(),
            Ask("DELETE", "/pub?id={channel}", Expect(200)),
            Hear(re.compile(rb'\{"id":-2,"channel":"{channel}","message":"Channel deleted",.*')),
            post("/pub?id={channel}", b"1"),
            Hear(message_is(1)),
        ),
        "subscribers get id -2 and are disconnected",
        "they stay, and hear the channel when it comes back",
    ),
    Case(
        "delete-with-a-text",
        "6",
        (
            Listen(),
            Ask("DELETE", "/pub?id={channel}", Expect(200), b"moved elsewhere"),
            Hear(re.compile(rb'\{"id":-2,"channel":"{channel}","message":"moved elsewhere",.*')),
        ),
        "a body replaces the text of the notice",
    ),
)

STORING = (
    Case(
        "unstored",
        "3.2",
        (
            post("/pub-unstored?id={channel}", b"1", state(1, 0)),
            Ask("GET", f"/shortpoll/{{channel}}?{EPOCH}", Expect(304), listener="public"),
        ),
        "stored_messages stays 0; there is no history",
    ),
    Case(
        "unstored-reaches-who-listens",
        "3.2",
        (Listen(), post("/pub-unstored?id={channel}", b"1", state(1, 0, 1)), Hear(message_is(1))),
        "who listens gets it",
    ),
    Case(
        "unstored-then-nobody",
        "10",
        (post("/pub-unstored?id={channel}", b"1"), get("/pub?id={channel}", GONE)),
        "the empty channel stays for push_stream_channel_inactivity_time",
        "a channel that holds nothing and that nobody listens to is none",
    ),
    Case(
        "few-messages",
        "3.1",
        (
            post("/pub-few?id={channel}", b"1"),
            post("/pub-few?id={channel}", b"2"),
            post("/pub-few?id={channel}", b"3", state(3, 2)),
        ),
        "the oldest go, as push_stream_max_messages_stored_per_channel says",
    ),
)

MOUNTS = (
    Case(
        "backtrack-is-left-out",
        "5",
        (post("/pub-backtrack?id={channel}.b3", b"1", state(1, 1)),),
        "a.b3 is channel a, the number is ignored",
    ),
    Case(
        "backtrack-is-a-name",
        "5",
        (
            post("/pub?id={channel}.b3", b"1", Expect(body=json_has(stored_messages=1))),
            get("/pub?id={channel}", GONE),
        ),
        "a.b3 is channel a, the number is ignored",
        "names with .b and digits are names, unless a mount says otherwise",
    ),
    Case(
        "channels-in-the-path",
        "2",
        (
            post("/pub-path/{channel}", b"1", state(1, 1)),
            get("/pub-path/{channel}", state(1, 1)),
            post("/pub-path", b"1", NO_CHANNEL),
            post("/pub-path/{channel}/{other}/", b"2", Expect(body=json_has(wildcard_channels=0))),
        ),
        "push_stream_channels_path says where the list comes from",
    ),
    Case(
        "publisher-prefix",
        "5",
        (
            post("/pub-prefix?id={channel}", b"1", Expect(body=json_has(stored_messages=1))),
            get("/pub?id=own.{channel}", Expect(body=json_has(stored_messages=1))),
        ),
        'push_stream_channels_path may put text in front: "own.$arg_id"',
    ),
    Case(
        "mount-of-some-channels",
        "11",
        (
            post("/pub-some?id=some.{channel}", b"1", Expect(200)),
            post("/pub-some?id={channel}", b"1", NOT_ALLOWED),
        ),
        "a location takes any channel",
        "a mount may take some channels only",
    ),
    Case(
        "argument-wants-the-path-alone",
        "2",
        (
            post("/pub/x?id={channel}", b"1", Expect(404)),
            post("/publ?id={channel}", b"1", Expect(404)),
        ),
        "404 for a path that matches no location",
    ),
)

CASES = (*PUBLISHING, *BODIES, *HEADERS, *REFUSALS, *STATE, *STORING, *MOUNTS)
