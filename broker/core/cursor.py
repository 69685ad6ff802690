"""The cursor: a place in a tenant's stream of messages."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate, parsedate_tz
from functools import lru_cache
from typing import NamedTuple
import calendar
import re

from broker.core.errors import BadCursor

MAX_TIME = 253_402_300_799
"""Last second of the year 9999: no HTTP date goes further."""

_TAG = re.compile(r'(?:W/)?("?)(\d{1,18})\1', re.ASCII)
_CURSOR = re.compile(r"(\d{1,12})-(\d{1,18})", re.ASCII)
_EPOCH = re.compile(r"\d{1,12}(?:\.\d*)?", re.ASCII)
_NO_TAG = frozenset({"", "null", "undefined"})
_CACHED_DATES = 4096
_LONGEST_TIME = 64


class Cursor(NamedTuple):
    """
    Place in the stream after which a subscriber wants messages.

    Orders by time, then tag: the order in which the store accepted the messages of a tenant.
    A tuple, because the hub compares one per message and tuples compare without Python code.

    Attributes:
        time: Whole seconds since the epoch, UTC.
        tag: Rank among the messages of that second, from 1; 0 is the start of the second.

    Source: D22, D23, D42; push-stream reference, section 7.
    """

    time: int
    tag: int

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """
        Read `<time>-<tag>`, the form of `Last-Event-ID` and of this API.

        Raises:
            BadCursor: `text` has another form.
        """
        match = _CURSOR.fullmatch(text)
        if match is None or int(match[1]) > MAX_TIME:
            raise BadCursor(
                "the cursor must be <seconds>-<tag>, for example 1447516314-21", field="cursor"
            )
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, time: str | None, tag: str | None) -> Cursor | None:
        """
        Read the `time` and `tag` of a request, as parameters or as validators.

        An unreadable time counts as absent, and a tag without a time is no cursor, as in the
        module. A time without a tag is the end of that second: only later seconds follow.

        Args:
            time: `time` or `If-Modified-Since`; see `parse_time`.
            tag: `tag` or `If-None-Match`; see `parse_tag`.

        Raises:
            BadCursor: the time is readable and the tag is not.

        Source: dashly-rts 2.3.2, 2.3.7, 2.4; push-stream reference, 7.2 and 7.3.
        """
        seconds = parse_time(time)
        if seconds is None:
            return None
        rank = parse_tag(tag)
        return cls(min(seconds + 1, MAX_TIME), 0) if rank is None else cls(seconds, rank)

    @property
    def http_date(self) -> str:
        """The time as an IMF-fixdate, as in `Last-Modified` (RFC 9110, section 5.6.7)."""
        return http_date(self.time)

    def __str__(self) -> str:
        return f"{self.time}-{self.tag}"


START = Cursor(0, 0)
"""Before every message."""


@lru_cache(maxsize=_CACHED_DATES)
def http_date(seconds: int) -> str:
    """Return whole seconds since the epoch as an IMF-fixdate."""
    return formatdate(seconds, usegmt=True)


def parse_time(text: str | None) -> int | None:
    """
    Read a time in any form that clients send; None when it cannot be read.

    Takes the three HTTP dates (IMF-fixdate, RFC 850, asctime) with any zone word read as GMT and
    `+` for a space, ISO 8601, and seconds since the epoch.

    Source: RFC 9110, section 5.6.7; push-stream reference, 7.2 and 19.
    """
    if text is None or len(text) > _LONGEST_TIME or not text.isascii():
        return None
    text = text.strip()
    seconds = _parse_iso(text) if _EPOCH.fullmatch(text) is None else int(text.partition(".")[0])
    if seconds is None:
        seconds = _parse_http_date(text.replace("+", " "))
    return seconds if seconds is not None and 0 <= seconds <= MAX_TIME else None


@lru_cache(maxsize=_CACHED_DATES)
def _parse_http_date(text: str) -> int | None:
    try:
        parts = parsedate_tz(text)
        if parts is None:
            return None
        datetime(*parts[:6], tzinfo=UTC)  # refuses the 31st of February
        return calendar.timegm((*parts[:6], 0, 0, 0))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _parse_iso(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text).replace(microsecond=0)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def parse_tag(text: str | None) -> int | None:
    """
    Read a tag as clients echo it: `21`, `W/21`, `"21"` or `W/"21"`; None when there is none.

    Raises:
        BadCursor: `text` is none of these.

    Source: dashly-rts 2.3.2 and 2.3.7.
    """
    if text is None or text in _NO_TAG:
        return None
    match = _TAG.fullmatch(text)
    if match is None:
        raise BadCursor("the tag must be a whole number, for example 21 or W/21", field="tag")
    return int(match[2])
