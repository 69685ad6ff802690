"""Refreshing: a new token on an open WebSocket."""

from __future__ import annotations

from asyncio import get_running_loop
import math

import orjson

from broker.background import Background
from broker.core.errors import BrokerError, TokenMalformed, TooMany
from broker.core.frames import text_frame
from broker.core.grants import Grants
from broker.core.session import Session
from broker.hub.feed import Feed
from broker.protocols.pushstream.admission import Admission
from broker.subscribe import Subscriber
from broker.transports.websocket import WebSocketConnection, error_frame

INTERVAL_S = 1.0
"""Least time between two tokens of one connection; each may cost a signature check."""

_MEMBER = "auth_token"
TOKEN_MARK = b'"auth_token"'
"""What stands in every text that may hold a token."""


class Refreshing:
    """
    Lets WebSocket sessions go on with a new token.

    A text message `{"auth_token": "..."}` is answered by one frame: `refreshed` with the new
    expiry, or `error`, and then the old token stays in force. Either carries the session's safe
    cursor (P4). Nothing else about the session changes, so no message is lost or repeated. Any
    other message is dropped.

    Args:
        admission: Decides what the token allows.
        subscriber: Has the sessions.
    """

    def __init__(self, admission: Admission, subscriber: Subscriber) -> None:
        self._admission = admission
        self._subscriber = subscriber
        self._background = Background()

    def hear(self, connection: WebSocketConnection, text: bytes) -> None:
        """
        Take a text message of a client (a `TextHook`).

        A client that sends tokens faster than one each `INTERVAL_S`, or another one before the
        answer, is closed with 1008.
        """
        if TOKEN_MARK not in text:
            return
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            return
        session = connection.session
        if not isinstance(message, dict) or _MEMBER not in message:
            return
        if not isinstance(session, Session):
            return
        now = get_running_loop().time()
        if now < connection.next_token_at:
            session.end(TooMany("new tokens come faster than one a second, or before the answer"))
            return
        connection.next_token_at = math.inf
        self._background.start(self._refresh(connection, session, message[_MEMBER], now))

    async def _refresh(
        self, connection: WebSocketConnection, session: Session, token: object, began: float
    ) -> None:
        try:
            grants = await self._renew(session, token)
        except BrokerError as error:
            answer = error_frame(error, session.cursor)
        else:
            answer = _refreshed(session, grants)
        finally:
            connection.next_token_at = began + INTERVAL_S
        connection.reply(answer)

    async def _renew(self, session: Session, token: object) -> Grants:
        if not isinstance(token, str):
            raise TokenMalformed("the token must be text", field=_MEMBER)
        feed = session.feed
        names = feed.names if isinstance(feed, Feed) else ()
        grants = await self._admission.renew(token, session.grants, names)
        if session.feed is not None:  # else it ended meanwhile
            self._subscriber.renew(session, grants)
        return grants


def _refreshed(session: Session, grants: Grants) -> bytes:
    expires_at, cursor = grants.expires_at, session.cursor
    told = {
        "refreshed": {"expires_at": None if expires_at is None else int(expires_at)},
        "tag": str(cursor.tag),
        "time": cursor.http_date,
    }
    return text_frame(orjson.dumps(told))
