"""Cases of backtrack: the last messages of a channel, for who has no cursor."""

from __future__ import annotations

from tests.conformance.pushstream_module.case import Case
from tests.conformance.pushstream_module.streams import Publish, Socket, Stream
from tests.conformance.pushstream_module.words import (
    EPOCH,
    HERE,
    fits,
    message,
    poll,
)

ONE, TWO, THREE = Publish(b"1"), Publish(b"2"), Publish(b"3")
OFF = "an ordinary name where the mount does not say so: a user's id may be b5"
NO_LOOP = (
    "the cursor counts once there is one: a backtrack kept in the URL repeats for ever (16.12)"
)


def last(*numbers: int) -> bytes:
    """Return an expression for messages whose text is their number."""
    return b"".join(message(b"%d" % number, number) for number in numbers)


CASES = (
    Case(
        "backtrack-first-contact",
        "5",
        (ONE, TWO, THREE, poll("/m/shortpoll/{channel}.b2", body=fits(last(2, 3)))),
        "the last two stored messages",
    ),
    Case(
        "backtrack-more-than-stored",
        "5",
        (ONE, TWO, poll("/m/shortpoll/{channel}.b9", body=fits(last(1, 2)))),
        "all that are stored",
    ),
    Case(
        "backtrack-endless-number",
        "5",
        (
            ONE,
            poll("/m/shortpoll/{channel}.b99999999999999999999", body=fits(last(1))),
        ),
        "all stored messages",
    ),
    Case(
        "backtrack-zero",
        "5",
        (ONE, poll("/m/shortpoll/{channel}.b0", 304)),
        "backtrack off",
    ),
    Case(
        "backtrack-of-each",
        "7.3",
        (
            ONE,
            Publish(b"1", "{other}"),
            TWO,
            Publish(b"2", "{other}"),
            poll(
                "/m/shortpoll/{channel}.b1/{other}.b2",
                body=fits(
                    message(b"1", 1, b"{other}"),
                    message(b"2", 2),
                    message(b"2", 2, b"{other}"),
                ),
            ),
        ),
        "the last messages of each channel, channel by channel",
        "in one order over all channels",
    ),
    Case(
        "backtrack-of-one-of-two",
        "7.3",
        (
            ONE,
            Publish(b"1", "{other}"),
            poll("/m/shortpoll/{channel}.b1/{other}", body=fits(last(1))),
        ),
        "without a cursor, nothing of the other channel",
    ),
    Case(
        "backtrack-then-cursor",
        "7.3",
        (
            ONE,
            poll("/m/shortpoll/{channel}.b5", body=fits(last(1))),
            poll(f"/m/shortpoll/{{channel}}.b5?{HERE}", 304),
            TWO,
            poll(f"/m/shortpoll/{{channel}}.b5?{HERE}", body=fits(last(2))),
        ),
        "the cursor is ignored, and the same messages come again each time",
        NO_LOOP,
    ),
    Case(
        "backtrack-long-poll-is-held",
        "17",
        (
            ONE,
            poll("/brief/longpoll/{channel}.b5", body=fits(last(1))),
            poll(f"/brief/longpoll/{{channel}}.b5?{HERE}", 304),
        ),
        "answered at once, for ever",
        NO_LOOP,
    ),
    Case(
        "backtrack-not-digits",
        "5",
        (
            Publish(b"1", "{channel}.b"),
            Publish(b"2", "{channel}.b3x"),
            poll(
                f"/m/shortpoll/{{channel}}.b/{{channel}}.b3x?{EPOCH}",
                body=fits(message(b"1", 1, rb"{channel}\.b"), message(b"2", 1, rb"{channel}\.b3x")),
            ),
        ),
        "ordinary names",
    ),
    Case(
        "backtrack-only-the-last",
        "5",
        (
            Publish(b"1", "{channel}.b2"),
            poll(
                "/m/shortpoll/{channel}.b2.b3",
                body=fits(message(b"1", 1, rb"{channel}\.b2")),
            ),
        ),
        "channel a.b2, the last three messages",
    ),
    Case(
        "backtrack-off",
        "5",
        (
            ONE,
            Publish(b"2", "{channel}.b5"),
            poll(
                f"/shortpoll/{{channel}}.b5?{EPOCH}",
                body=fits(message(b"2", 1, rb"{channel}\.b5"), b"\n"),
            ),
        ),
        "the last five messages",
        OFF,
    ),
    Case(
        "backtrack-stream",
        "7.3",
        (
            ONE,
            TWO,
            Stream("/m/stream/{channel}.b1", during=(THREE,), goes_on=fits(last(2, 3))),
        ),
        "the last message, then live",
    ),
    Case(
        "backtrack-eventsource",
        "7.3",
        (
            ONE,
            TWO,
            Stream(
                "/m/eventsource/{channel}.b1",
                begins=b"retry: 3000\n\n",
                during=(THREE,),
                goes_on=fits(rb"id: \d+-\d+\n\nid: \d+-\d+\ndata: 2\n\nid: \d+-\d+\ndata: 3\n\n"),
            ),
        ),
        "the last message, then live",
    ),
    Case(
        "backtrack-websocket",
        "7.3",
        (
            ONE,
            TWO,
            Socket(
                "/m/websocket/{channel}.b1",
                during=(THREE,),
                hears=(fits(last(2)), fits(last(3))),
            ),
        ),
        "the last message, then live",
    ),
)
