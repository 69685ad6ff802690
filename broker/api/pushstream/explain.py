"""Refusals of the module: its own words, in its own header, beside the problem document."""

from __future__ import annotations

from aiohttp import web

from broker.api.call import Call, Handler
from broker.api.names import NoChannel
from broker.api.posting import EmptyBody
from broker.api.targets import EventsChannel
from broker.core.errors import BadChannel, BrokerError, ChannelForbidden

EXPLAIN = "X-Nginx-PushStream-Explain"
"""Header with a reason in English."""

CHANNEL_DELETED = "Channel deleted."
"""Reason of a deletion."""

DELETION_NOTICE = "Channel deleted"
"""What subscribers are told of a deletion where the publisher says nothing else."""

_NO_CHANNEL = "No channel id provided."
_BAD_CHANNEL = "Channel id not authorized for this method."
_LONG_CHANNEL = "Channel id is too large."
_EMPTY_BODY = "Empty post requests are not allowed."
_EVENTS_CHANNEL = "Only internal routines can change events channel."


def explained(handler: Handler) -> Handler:
    """
    Return a handler whose refusals carry the module's header.

    Source: push-stream reference, sections 6 and 13.
    """

    async def run(call: Call) -> web.StreamResponse:
        try:
            return await handler(call)
        except BrokerError as error:
            error.headers = {**error.headers, EXPLAIN: reason(error)}
            raise

    return run


def reason(error: BrokerError) -> str:
    """Return the module's words for a refusal; where it has none, the refusal's own sentence."""
    if isinstance(error, EventsChannel):
        return _EVENTS_CHANNEL
    if isinstance(error, ChannelForbidden):
        return _BAD_CHANNEL
    if isinstance(error, NoChannel):
        return _NO_CHANNEL
    if isinstance(error, BadChannel) and error.setting == "max_channel_bytes":
        return _LONG_CHANNEL
    if isinstance(error, EmptyBody):
        return _EMPTY_BODY
    return "".join(char if " " <= char <= "~" else "?" for char in str(error))
