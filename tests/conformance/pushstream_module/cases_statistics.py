"""Cases of the module's statistics."""

from __future__ import annotations

from collections.abc import Callable
import json
import re

from tests.conformance.pushstream_module.case import (
    Ask,
    Case,
    Expect,
    Listen,
    get,
    json_has,
    post,
)
from tests.conformance.pushstream_module.cases_publisher import (
    GONE,
    GROUP,
    IN_WORDS,
    NOT_ALLOWED,
    info,
    state,
)

PUBLISHED = post("/pub?id={channel}", b"1")
VALID = "the module writes names as they are, which breaks the document"
_HOST = rb"[A-Za-z0-9._-]+"
_NOW = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"


def summary(**members: object) -> Callable[[bytes], bool]:
    """Accept a summary in JSON, with these members among its own."""

    def accept(body: bytes) -> bool:
        told = json.loads(body)
        [first, *_] = told["by_worker"]
        return (
            set(told) == _SUMMARY
            and isinstance(first["pid"], str)
            and all(told[name] == value for name, value in members.items())
            and told["subscribers"] == sum(each["subscribers"] for each in told["by_worker"])
        )

    return accept


def lists(*names: bytes) -> re.Pattern[bytes]:
    """Accept a group in JSON of these channels, each with one message."""
    rows = rb",\r\n".join(
        rb'\{"channel": "' + name + rb'", "published_messages": 1, "stored_messages": 1, '
        rb'"subscribers": \d+\}'
        for name in names
    )
    return re.compile(rb'\{"hostname": .*, "infos": \[\r\n' + rows + rb"\r\n\]\}\r\n", re.DOTALL)


def typed(content_type: str, body: bytes | re.Pattern[bytes]) -> Expect:
    """Return an answer of a type."""
    headers = {"Content-Type": content_type, "X-Content-Type-Options": "nosniff"}
    return Expect(200, headers, body)


_SUMMARY = {
    *("hostname", "time", "channels", "wildcard_channels", "published_messages"),
    *("stored_messages", "messages_in_trash", "channels_in_delete", "channels_in_trash"),
    *("subscribers", "uptime", "by_worker"),
}
_PLAIN = (
    b"channel: {channel}\r\npublished_messages: 1\r\nstored_messages: 1\r\n"
    b"active_subscribers: 0\r\n"
)
_YAML = b'channel: "{channel}"\r\npublished_messages: 1\r\nstored_messages: 1\r\nsubscribers: 0\r\n'
_XML = (
    b'<?xml version="1.0" encoding="UTF-8" ?>\r\n<channel>\r\n  <name>{channel}</name>\r\n'
    b"  <published_messages>1</published_messages>\r\n"
    b"  <stored_messages>1</stored_messages>\r\n  <subscribers>0</subscribers>\r\n</channel>\r\n"
)
_QUOTED = "%22%3Ci%3E%26"

BY_ID = (
    Case(
        "one-channel",
        "12",
        (PUBLISHED, get("/channels-stats?id={channel}", state(1, 1))),
        "the channel's state",
    ),
    Case("unknown-channel", "12", (get("/channels-stats?id={channel}", GONE),), "404", IN_WORDS),
    Case(
        "several-channels",
        "12",
        (
            post("/pub-silent?id={channel}/{other}", b"1"),
            get("/channels-stats?id={channel}/{other}", Expect(body=GROUP)),
        ),
        "a group of those that exist",
    ),
    Case(
        "one-of-several-exists",
        "12",
        (PUBLISHED, get("/channels-stats?id={other}/{channel}", state(1, 1))),
        "one survivor gives the single form",
    ),
    Case(
        "none-of-several-exists",
        "12",
        (get("/channels-stats?id={other}/{channel}", GONE),),
        "404",
        IN_WORDS,
    ),
    Case(
        "subscribers-of-a-channel",
        "12",
        (Listen(), Listen(), get("/channels-stats?id={channel}", state(0, 0, 2))),
        "a channel that only has subscribers exists",
    ),
    Case(
        "subscriber-of-several-channels",
        "12",
        (
            Listen("/websocket/{channel}/{other}"),
            get("/channels-stats?id={channel}", state(0, 0, 1)),
            get("/channels-stats?id={other}", Expect(body=json_has(subscribers=1))),
        ),
        "counts once per channel",
    ),
    Case(
        "subscriber-of-one-channel-twice",
        "12",
        (
            Listen("/websocket/{channel}/{channel}"),
            get("/channels-stats?id={channel}", state(0, 0, 1)),
        ),
        "counts twice",
        "a channel counts once in a request",
    ),
    Case(
        "reading-makes-no-channel",
        "1",
        (
            Ask("GET", "/shortpoll/{channel}", Expect(304), listener="public"),
            get("/channels-stats?id={channel}", GONE),
        ),
        "the first poll that names a channel creates it",
        "reading leaves nothing behind",
    ),
)

GROUPS = (
    Case(
        "statistics-prefix",
        "12",
        (
            post("/pub-silent?id={channel}-1/{channel}-2/{other}", b"1"),
            get(
                "/channels-stats?id={channel}*",
                Expect(body=lists(rb"{channel}-1", rb"{channel}-2")),
            ),
        ),
        "a group of the channels with that prefix",
    ),
    Case(
        "prefix-and-more",
        "12",
        (
            post("/pub-silent?id={channel}-1", b"1"),
            get("/channels-stats?id={channel}*-2", Expect(body=lists(rb"{channel}-1"))),
        ),
        "what follows the asterisk is ignored",
    ),
    Case(
        "prefix-of-nothing",
        "12",
        (get("/channels-stats?id={channel}*", Expect(body=json_has(channels=0, infos=[]))),),
        "an empty group, 200",
    ),
    Case(
        "prefix-encoded",
        "12",
        (PUBLISHED, get("/channels-stats?id={channel}%2A", NOT_ALLOWED)),
        "decoded, then the same as an asterisk",
        "what is escaped is meant to be a name, and no name holds an asterisk",
    ),
    Case(
        "prefix-counts-subscribers",
        "12",
        (
            Listen("/websocket/{channel}-1"),
            get(
                "/channels-stats?id={channel}*",
                Expect(
                    body=re.compile(
                        rb'.*\{"channel": "{channel}-1", "published_messages": 0, '
                        rb'"stored_messages": 0, "subscribers": 1\}\r\n\]\}\r\n',
                        re.DOTALL,
                    )
                ),
            ),
        ),
        "channels that only have subscribers are listed",
    ),
    Case(
        "all-channels",
        "12",
        (
            PUBLISHED,
            get(
                "/channels-stats?id=ALL",
                Expect(body=re.compile(rb'.*"channel": "{channel}".*', re.DOTALL)),
            ),
        ),
        "a group with all channels",
    ),
    Case(
        "all-channels-by-asterisk",
        "12",
        (
            PUBLISHED,
            get(
                "/channels-stats?id=*",
                Expect(body=re.compile(rb'.*"channel": "{channel}".*', re.DOTALL)),
            ),
        ),
        "a group with all channels",
    ),
    Case(
        "a-group-counts-its-channels",
        "12",
        (
            post("/pub-silent?id={channel}/{other}", b"1"),
            get("/channels-stats?id={channel}/{other}", Expect(body=json_has(channels=2))),
        ),
        "`channels` is the number of all channels of the zone",
        "it is the number of those that are listed: counting all of them would read all of them",
    ),
)

SUMMARY = (
    Case(
        "summary",
        "12",
        (
            PUBLISHED,
            get(
                "/channels-stats",
                Expect(
                    200,
                    {"Content-Type": "application/json"},
                    summary(wildcard_channels=0, messages_in_trash=0, channels_in_trash=0),
                ),
            ),
        ),
        "counters of everything, and of each worker; the pid is a string",
    ),
    Case(
        "summary-layout",
        "12",
        (
            get(
                "/channels-stats",
                Expect(
                    body=re.compile(
                        rb'\{"hostname": "'
                        + _HOST
                        + rb'", "time": "'
                        + _NOW
                        + rb'", "channels": \d+, '
                        rb'"wildcard_channels": \d+, "published_messages": \d+, '
                        rb'"stored_messages": \d+, "messages_in_trash": \d+, '
                        rb'"channels_in_delete": \d+, "channels_in_trash": \d+, '
                        rb'"subscribers": \d+, '
                        rb'"uptime": \d+, "by_worker": \[\r\n'
                        rb'\{"pid": "\d+", "subscribers": \d+, "uptime": \d+\}\r\n\]\}\r\n'
                    )
                ),
            ),
        ),
        "lines end with CRLF, in that order",
    ),
    Case(
        "summary-counts-subscribers",
        "12",
        (
            Listen("/websocket/{channel}/{other}"),
            get("/channels-stats", Expect(body=lambda body: json.loads(body)["subscribers"] == 1)),
        ),
        "a connection on several channels counts once",
    ),
    Case(
        "summary-of-an-empty-id",
        "12",
        (get("/channels-stats?id=", Expect(body=summary())),),
        "the summary",
    ),
    Case(
        "summary-plain",
        "12",
        (
            get(
                "/channels-stats",
                typed(
                    "text/plain",
                    re.compile(
                        rb"hostname: " + _HOST + rb"\r\ntime: " + _NOW + rb"\r\nchannels: \d+\r\n.*"
                        rb"by_worker:\r\n  pid: \d+\r\n  subscribers: \d+\r\n  uptime: \d+\r\n",
                        re.DOTALL,
                    ),
                ),
                Accept="text/plain",
            ),
        ),
        "lines of text",
    ),
    Case(
        "summary-yaml",
        "12",
        (
            get(
                "/channels-stats",
                typed(
                    "application/yaml",
                    re.compile(
                        rb'(  [a-z_]+: ("[^"]*"|\d+)\r\n)+  by_worker:\r\n   -\r\n.*', re.DOTALL
                    ),
                ),
                Accept="application/yaml",
            ),
        ),
        "indented by two spaces",
    ),
    Case(
        "summary-xml",
        "12",
        (
            get(
                "/channels-stats",
                typed(
                    "application/xml",
                    re.compile(
                        rb"<\?xml .*\?>\r\n<infos>\r\n  <hostname>.*</infos>\r\n", re.DOTALL
                    ),
                ),
                Accept="application/xml",
            ),
        ),
        "<infos>",
    ),
)


def _form(name: str, accept: str, expect: Expect, module: str) -> Case:
    """Return the case of one channel in one form."""
    return Case(
        name, "12", (PUBLISHED, get("/channels-stats?id={channel}", expect, Accept=accept)), module
    )


FORMS = (
    _form("form-json", "application/json", typed("application/json", info(1, 1)), "JSON"),
    _form("form-x-json", "text/x-json", typed("text/x-json", info(1, 1)), "the same body"),
    _form(
        "form-plain",
        "text/plain",
        typed("text/plain", _PLAIN),
        "subscribers are active_subscribers",
    ),
    _form("form-yaml", "application/yaml", typed("application/yaml", _YAML), "YAML"),
    _form("form-x-yaml", "text/x-yaml", typed("text/x-yaml", _YAML), "YAML"),
    _form("form-xml", "text/xml", typed("application/xml", _XML), "XML, decided by the subtype"),
    _form("form-unknown", "image/png", typed("application/json", info(1, 1)), "JSON"),
    _form("form-any", "*/*", typed("application/json", info(1, 1)), "JSON"),
    _form(
        "form-first-match",
        "text/html, text/plain;q=0.1, application/json",
        typed("text/plain", _PLAIN),
        "the first that matches; q values are ignored",
    ),
    _form(
        "form-any-case", "Text/PLAIN", typed("text/plain", _PLAIN), "types are matched in any case"
    ),
    Case(
        "form-group-plain",
        "12",
        (
            post("/pub-silent?id={channel}/{other}", b"1"),
            get(
                "/channels-stats?id={channel}/{other}",
                typed(
                    "text/plain",
                    re.compile(
                        rb"hostname: .*, infos:\r\nchannel: {channel}, published_messages: 1, "
                        rb"stored_messages: 1, active_subscribers: 0\r\nchannel: {other}, .*\r\n"
                    ),
                ),
                Accept="text/plain",
            ),
        ),
        "a line a channel",
    ),
    Case(
        "form-group-xml",
        "12",
        (
            post("/pub-silent?id={channel}/{other}", b"1"),
            get(
                "/channels-stats?id={channel}/{other}",
                typed(
                    "application/xml",
                    re.compile(
                        rb"<\?xml .*\?>\r\n<root>\r\n.*  <infos>\r\n    <channel>\r\n"
                        rb"      <name>{channel}</name>.*</infos>\r\n</root>\r\n",
                        re.DOTALL,
                    ),
                ),
                Accept="application/xml",
            ),
        ),
        "<root><infos>",
    ),
    Case(
        "form-names-in-json",
        "12",
        (
            post(f"/pub-silent?id={{channel}}{_QUOTED}", b"1"),
            get(
                f"/channels-stats?id={{channel}}{_QUOTED}",
                typed("application/json", re.compile(rb'\{"channel": "{channel}\\"<i>&", .*\r\n')),
            ),
        ),
        "ids are not escaped",
        VALID,
    ),
    Case(
        "form-names-in-xml",
        "12",
        (
            post(f"/pub-silent?id={{channel}}{_QUOTED}", b"1"),
            get(
                f"/channels-stats?id={{channel}}{_QUOTED}",
                typed(
                    "application/xml",
                    re.compile(rb'.*<name>{channel}"&lt;i&gt;&amp;</name>.*', re.DOTALL),
                ),
                Accept="application/xml",
            ),
        ),
        "ids are not escaped",
        VALID,
    ),
    Case(
        "form-names-in-yaml",
        "12",
        (
            post(f"/pub-silent?id={{channel}}:%20{_QUOTED}", b"1"),
            get(
                f"/channels-stats?id={{channel}}:%20{_QUOTED}",
                typed(
                    "application/yaml",
                    re.compile(rb'channel: "{channel}: \\"<i>&"\r\n.*', re.DOTALL),
                ),
                Accept="application/yaml",
            ),
        ),
        "ids are not escaped",
        VALID,
    ),
)

REFUSALS = (
    Case("statistics-post", "2", (Ask("POST", "/channels-stats", Expect(405), b"x"),), "405"),
    Case("statistics-put", "2", (Ask("PUT", "/channels-stats", Expect(405), b"x"),), "405"),
    Case("statistics-delete", "2", (Ask("DELETE", "/channels-stats", Expect(405)),), "405"),
    Case("statistics-options", "2", (Ask("OPTIONS", "/channels-stats", Expect(405)),), "405"),
    Case(
        "statistics-bad-id",
        "5",
        (get("/channels-stats?id={channel}%0a", Expect(400)),),
        "any byte is allowed",
        "control characters are refused, as wherever a channel is named",
    ),
    Case(
        "statistics-nothing-reflected",
        "17",
        (
            get(
                "/channels-stats?id=%3Cscript%3E&callback=alert(1)",
                Expect(
                    404,
                    {
                        "Content-Type": "application/problem+json",
                        "X-Content-Type-Options": "nosniff",
                    },
                    lambda body: b"<script>" not in body and b"alert" not in body,
                ),
            ),
        ),
        "404, empty",
        IN_WORDS,
    ),
)

MOUNTS = (
    Case(
        "statistics-of-the-node",
        "12",
        (
            Listen(),
            get("/stats-node?id={channel}", state(0, 0, 1)),
            get("/channels-stats?id={channel}&scope=node", state(0, 0, 1)),
        ),
        "counts the workers of one host",
        "all nodes of a store are counted, or only the asked one",
    ),
    Case(
        "statistics-in-the-path",
        "2",
        (
            PUBLISHED,
            get("/stats-path/{channel}", state(1, 1)),
            get("/stats-path", Expect(body=summary())),
            get("/stats-path/ALL", Expect(body=re.compile(rb'.*"{channel}".*', re.DOTALL))),
        ),
        "push_stream_channels_path says where the list comes from",
    ),
)

CASES = (*BY_ID, *GROUPS, *SUMMARY, *FORMS, *REFUSALS, *MOUNTS)
