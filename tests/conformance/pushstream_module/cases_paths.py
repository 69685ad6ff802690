"""Cases of channel lists: paths, arguments, limits, classes."""

from __future__ import annotations

from tests.conformance.pushstream_module.case import Case, Expect
from tests.conformance.pushstream_module.streams import Publish
from tests.conformance.pushstream_module.words import (
    EPOCH,
    asked,
    fits,
    message,
    messages,
    poll,
    refused,
)

ONE, TWO, THREE = Publish(b"1"), Publish(b"2"), Publish(b"3")
NOT_EMPTY = "an empty id is refused: nobody means it (19, change 12)"
ONCE = "a channel counts once (19, change 12)"
STATUS = "the same reason; the list is malformed, so it is 400"
LIMITED = "the list has a limit, 50 by default, and so has what it costs"
ONLY_ONCE = "paths are decoded once, like arguments"


def last(*numbers: int) -> bytes:
    """Return an expression for messages whose text is their number."""
    return b"".join(message(b"%d" % number, number) for number in numbers)


LISTS = (
    Case(
        "path-several",
        "5",
        (
            ONE,
            Publish(b"2", "{other}"),
            poll(
                f"/m/shortpoll/{{channel}}/{{other}}?{EPOCH}",
                body=fits(message(b"1"), message(b"2", 1, b"{other}")),
            ),
        ),
        "the channels between slashes",
    ),
    Case(
        "path-trailing-slash",
        "5",
        (ONE, poll(f"/m/shortpoll/{{channel}}/?{EPOCH}", body=messages(b"1"))),
        "one slash at the end is left out",
    ),
    Case(
        "path-encoded-slash",
        "5",
        (
            ONE,
            Publish(b"2", "{other}"),
            poll(
                f"/m/shortpoll/{{channel}}%2F{{other}}?{EPOCH}",
                body=fits(message(b"1"), message(b"2", 1, b"{other}")),
            ),
        ),
        "%2F splits",
    ),
    Case(
        "path-empty",
        "5",
        (asked("/m/shortpoll/", refused(400, "no channel")),),
        "400 No channel id provided.",
    ),
    Case(
        "path-mount-alone",
        "5",
        (asked("/m/shortpoll", refused(400, "no channel")),),
        "400 No channel id provided.",
    ),
    Case(
        "path-empty-first",
        "5",
        (asked("/m/shortpoll//{channel}", refused(400, "empty")),),
        "the empty segment is a channel with the empty id",
        NOT_EMPTY,
    ),
    Case(
        "path-empty-between",
        "5",
        (asked("/m/shortpoll/{channel}//{other}", refused(400, "empty")),),
        "the empty segment is a channel with the empty id",
        NOT_EMPTY,
    ),
    Case(
        "path-twice",
        "5",
        (ONE, poll(f"/m/shortpoll/{{channel}}/{{channel}}?{EPOCH}", body=messages(b"1"))),
        "subscribed twice: every message comes twice",
        ONCE,
    ),
    Case(
        "path-reserved",
        "5",
        (asked("/m/shortpoll/ALL", refused(400, "reserved")),),
        "403 Channel id not authorized for this method.",
        STATUS,
    ),
    Case(
        "path-asterisk",
        "5",
        (asked("/m/shortpoll/{channel}*", refused(400, "asterisk")),),
        "403 Channel id not authorized for this method.",
        STATUS,
    ),
    Case(
        "path-reserved-is-case-sensitive",
        "5",
        (poll("/m/shortpoll/all", 304),),
        "ids are case-sensitive, so all is a name",
    ),
    Case(
        "path-case-sensitive",
        "1",
        (
            Publish(b"1", "{channel}A"),
            poll(f"/m/shortpoll/{{channel}}a?{EPOCH}", 304),
        ),
        "ids are case-sensitive",
    ),
    Case(
        "path-percent-encoded",
        "5",
        (
            Publish(b"1", "{channel}%20%C3%A9"),
            poll(
                f"/m/shortpoll/{{channel}}%20%c3%a9?{EPOCH}",
                body=fits(message(b"1", 1, b"{channel} \xc3\xa9")),
            ),
        ),
        "percent-decoded",
    ),
    Case(
        "path-decoded-once",
        "5",
        (
            Publish(b"1", "{channel}%2541"),
            poll(
                f"/m/shortpoll/{{channel}}%2541?{EPOCH}",
                body=fits(message(b"1", 1, b"{channel}%41")),
            ),
        ),
        "an id in the path is decoded twice: %2541 is A",
        ONLY_ONCE,
    ),
    Case(
        "path-plus-stays",
        "5",
        (
            Publish(b"1", "{channel}%2B"),
            poll(
                f"/m/shortpoll/{{channel}}+?{EPOCH}",
                body=fits(message(b"1", 1, rb"{channel}\+")),
            ),
        ),
        "+ stays +",
    ),
    Case(
        "path-quote-stays-json",
        "5",
        (
            Publish(b"1", "{channel}%22"),
            poll(
                f"/m/shortpoll/{{channel}}%22?{EPOCH}",
                body=fits(message(b"1", 1, rb"{channel}\\\"")),
            ),
        ),
        "a quote in an id breaks the JSON",
        "names are escaped where they stand in JSON",
    ),
    Case(
        "path-nul",
        "5",
        (asked("/m/shortpoll/a%00b", refused(400, "control")),),
        "NUL cuts the displayed name",
        "control characters are in no name",
    ),
    Case(
        "path-bad-escape",
        "5",
        (asked("/m/shortpoll/a%2", refused(400, "percent")),),
        "taken as it is",
        "a malformed list is refused rather than guessed",
    ),
    Case(
        "path-too-long",
        "3.1",
        (asked("/short/123456789", refused(400, "too long")),),
        "400 Channel id is too large.",
    ),
    Case(
        "path-long-enough",
        "3.1",
        (poll("/short/12345678", 304),),
        "served up to the limit",
    ),
    Case(
        "path-too-many",
        "5",
        (asked("/short/a/b/c", refused(400, "too many")),),
        "there is no limit",
        LIMITED,
    ),
    Case(
        "path-prefix",
        "3.2",
        (
            Publish(b"1", "own.{channel}"),
            poll(
                f"/own/{{channel}}?{EPOCH}",
                body=fits(message(b"1", 1, b"own.{channel}"), b"\n"),
            ),
        ),
        "the expression puts a text before the name",
    ),
    Case(
        "argument-list",
        "3.2",
        (
            ONE,
            Publish(b"2", "{other}"),
            poll(
                f"/arg/shortpoll?channels={{channel}}/{{other}}&{EPOCH}",
                body=fits(message(b"1"), b"\n", message(b"2", 1, b"{other}"), b"\n"),
            ),
        ),
        "the list comes from the argument",
    ),
    Case(
        "argument-encoded-slash",
        "5",
        (
            ONE,
            poll(
                f"/arg/shortpoll?channels={{channel}}%2F{{other}}&{EPOCH}",
                body=messages(b"1", end=rb"\n"),
            ),
        ),
        "%2F splits",
    ),
    Case(
        "argument-missing",
        "5",
        (asked("/arg/shortpoll", refused(400, "no channel")),),
        "400 No channel id provided.",
    ),
    Case(
        "argument-and-path",
        "5",
        (asked("/arg/shortpoll/{channel}", refused(404)),),
        "404: the location is exact",
    ),
    Case(
        "fixed-channels",
        "3.2",
        (poll("/fixed", 304), asked("/fixed/{channel}", refused(404))),
        "the expression is a constant",
    ),
)

CLASSES = (
    Case(
        "stored-only",
        "11",
        (
            asked("/authorized/{channel}", refused(403, "holds no message")),
            ONE,
            poll("/authorized/{channel}", 304),
        ),
        "403 for a channel that holds no message",
    ),
    Case(
        "stored-only-every-channel",
        "11",
        (ONE, asked("/authorized/{channel}/{other}", refused(403, "holds no message"))),
        "403 for the whole request",
    ),
    Case(
        "wildcard-class-is-exempt",
        "11",
        (ONE, poll("/authorized/{channel}/broad_{other}", 304)),
        "wildcard channels need not exist",
    ),
    Case(
        "wildcard-class-too-many",
        "11",
        (ONE, asked("/authorized/{channel}/broad_1/broad_2/broad_3", refused(403, "at most 2"))),
        "403 Subscribed too much wildcard channels.",
    ),
    Case(
        "wildcard-class-alone",
        "11",
        (asked("/authorized/broad_1", refused(403, "others beside")),),
        "403 Subscribed too much wildcard channels.",
    ),
    Case(
        "mount-narrows",
        "3.3",
        (
            asked("/some/{channel}", refused(403, "not served")),
            poll("/some/some.{channel}", 304),
            poll("/some/some.{channel}/{channel}", 304),
        ),
        "another location, another rule",
    ),
    Case(
        "head-of-a-refusal",
        "13.2",
        (asked("/m/shortpoll/ALL", Expect(400, body=b""), "HEAD"),),
        "405",
        "HEAD is answered like GET, without a body",
    ),
)

CASES = (*LISTS, *CLASSES)
