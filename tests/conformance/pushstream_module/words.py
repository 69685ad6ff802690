"""What cases for subscribers have in common: targets, messages as they come, headers."""

from __future__ import annotations

from collections.abc import Mapping
import re

from tests.conformance.pushstream_module.case import Ask, Body, Expect, Header

EPOCH = "tag=0&time=Thu,%2001%20Jan%201970%2000:00:00%20GMT"
"""A cursor before every message."""

HERE = "tag={tag}&time={time}"
"""The cursor of the answer before."""

DATE = rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"
PROBLEM = "application/problem+json"
EXPLAIN = "X-Nginx-PushStream-Explain"
PLAIN = "text/plain; charset=utf-8"
SCRIPT = "application/javascript; charset=utf-8"
EVENTS = "text/event-stream; charset=utf-8"

SAFE: Mapping[str, Header] = {
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Expires": "Thu, 01 Jan 1970 00:00:01 GMT",
    "X-Content-Type-Options": "nosniff",
}
"""What every answer has."""

CURSOR: Mapping[str, Header] = {
    "ETag": re.compile(r"W/\d+"),
    "Last-Modified": re.compile(DATE.decode()),
}
"""What carries a cursor."""


def message(text: bytes, number: int = 1, channel: bytes = b"{channel}") -> bytes:
    """Return an expression for a message in the product's template."""
    return rb'\{"id":%d,"channel":"%b","message":%b,"tag":"\d+","time":"%b"\}' % (
        number,
        channel,
        re.escape(text),
        DATE,
    )


def messages(*texts: bytes, end: bytes = b"") -> re.Pattern[bytes]:
    """Return an expression for messages of one channel, one behind the other."""
    numbered = [message(text, number) + end for number, text in enumerate(texts, 1)]
    return re.compile(b"".join(numbered))


def fits(*patterns: bytes) -> re.Pattern[bytes]:
    """Return an expression for one thing behind the other."""
    return re.compile(b"".join(patterns), re.DOTALL)


def poll(
    target: str,
    status: int = 200,
    body: Body | None = None,
    headers: Mapping[str, Header] | None = None,
    **asks: str,
) -> Ask:
    """Return a poll; what has no message has no body and no type."""
    wanted: dict[str, Header] = {**SAFE, **CURSOR, **(headers or {})}
    if status == 304:
        body, wanted["Content-Type"] = b"", None
    expect = Expect(status, wanted, body)
    return Ask("GET", target, expect, None, _dashed(asks), "public")


def asked(target: str, expect: Expect, method: str = "GET", **asks: str) -> Ask:
    """Return a request to a subscriber's endpoint."""
    return Ask(method, target, expect, None, _dashed(asks), "public")


def refused(status: int, explain: str = "", headers: Mapping[str, Header] | None = None) -> Expect:
    """Return a refusal, as a document and in the module's header."""
    return Expect(
        status,
        {
            **SAFE,
            "Content-Type": PROBLEM,
            EXPLAIN: re.compile(f".*{explain}.*"),
            **(headers or {}),
        },
        lambda body: body.startswith(b'{"type":'),
    )


def _dashed(named: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in named.items()}
