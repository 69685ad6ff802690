"""What a publisher is answered once its messages are stored."""

from __future__ import annotations

from time import time

from aiohttp import web
import orjson

from broker.api.problems import answer, serialise
from broker.core.cursor import http_date
from broker.store.base import Stored

REPLAYED = "Idempotency-Replayed"
"""Header of the answer to a request that was answered before."""

_NO_LENGTH = b"\r\nContent-Length: 0\r\n"


def answer_stored(stored: Stored) -> web.Response:
    """Return the answer to a publish: where each message stands."""
    return answer(_body(stored), headers={REPLAYED: "true"} if stored.repeated else None)


class StoredAnswers:
    """The same answers as bytes; what is common to those of one second is made once."""

    def __init__(self) -> None:
        self._second = 0
        self._before = self._behind = b""

    def __call__(self, stored: Stored) -> bytes:
        """Return a whole answer."""
        if stored.repeated:
            return serialise(answer_stored(stored))
        now = int(time())
        if now != self._second:
            self._second = now
            self._before, _, self._behind = serialise(answer(b"")).partition(_NO_LENGTH)
        body = _body(stored)
        length = b"\r\nContent-Length: %d\r\n" % len(body)
        return b"".join((self._before, length, self._behind, body))


def _body(stored: Stored) -> bytes:
    rows = [
        {"channel": channel, "id": number, "tag": str(tag), "time": http_date(time)}
        for channel, number, (time, tag) in stored.stamps
    ]
    return orjson.dumps({"messages": rows})
