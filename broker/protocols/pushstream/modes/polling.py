"""Short and long polls."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import HttpVersion11, hdrs, web

from broker.core.errors import BadRequest
from broker.core.mounts import SubscriberMount
from broker.protocols.pushstream.admission import Admitted
from broker.protocols.pushstream.answers import GAP_HEADER, cursor_headers
from broker.protocols.pushstream.known import Cut
from broker.protocols.pushstream.modes.polls import Again, Found, Polls
from broker.protocols.pushstream.request import Subscription
from broker.protocols.pushstream.services import Services
from broker.protocols.pushstream.wire.compression import choose_coding
from broker.protocols.pushstream.wire.encoders import PollEncoder
from broker.protocols.pushstream.wire.jsonp import put_callback
from broker.protocols.pushstream.wire.poll_answers import Form, PollAnswers, is_callback
from broker.protocols.pushstream.wire.writing import Writing
from broker.transports.takeover import TakenOver, sends_no_more, take_over


class Polling:
    """
    Answers polls: at once with everything pending, or held until there is something.

    Every answer carries the client's next cursor, a first one included (D44, D47).

    Args:
        services: What it works with.
        mount: Where it serves.
        hold: Whether it waits for a message.
    """

    def __init__(self, services: Services, mount: SubscriberMount, *, hold: bool) -> None:
        self._services = services
        self._mount = mount
        self._writing = Writing.of(mount)
        limits = services.limits.poll
        if mount.hold_s is not None:
            limits = replace(limits, hold_s=mount.hold_s)
        self._polls = Polls(services, limits, hold=hold)

    async def answer(
        self, request: web.BaseRequest, path: str, parts: Cut | None
    ) -> web.StreamResponse:
        """
        Answer a poll.

        Args:
            request: GET or HEAD; a HEAD is never held.
            path: The path behind the mount.
            parts: Its bytes, if it came whole and alone.

        Raises:
            BrokerError: the refusal.

        Source: D11, D41 to D48; dashly-rts 2.3.4 and 2.3.5; push-stream reference, 7.4 and 7.5.
        """
        services = self._services
        subscription = services.read(request, path, self._mount)
        callback = self._callback(subscription)
        admitted = await services.admit(subscription, self._mount)
        encoder = self._encoder(request, script=bool(callback))
        if not self._polls.hold:
            await services.subscriber.settle(admitted.tenant)
        await services.check_stored(admitted, self._mount, encoder)
        found = await self._find(admitted, subscription, encoder)
        if request.method == hdrs.METH_HEAD or sends_no_more(request):
            return self._by_aiohttp(encoder, found, callback)
        try:
            connection = take_over(request, lambda: self._polls.connection(encoder, callback), b"")
        except BadRequest:  # another request came behind this one, so this one cannot wait
            return self._by_aiohttp(encoder, found, callback)
        if not callback and services.is_alike(subscription, self._mount):
            route = Again(self._polls, services.subscriber, encoder)
            services.recall.learn(request, parts, subscription, route)
        self._polls.settle(connection, admitted, encoder, found)
        return TakenOver()

    async def _find(
        self, admitted: Admitted, subscription: Subscription, encoder: PollEncoder
    ) -> Found:
        after = cursor = subscription.cursor
        if cursor is None and subscription.latest:
            entry, frames = await self._services.enter_latest(admitted, subscription, encoder)
            if frames:
                return Found(entry, frames)
            after = entry.cursor
        while True:
            entry = await self._services.enter(admitted, after, encoder)
            found = self._polls.collect(entry, admitted, cursor, encoder)
            if found is not None:
                return found
            after = entry.cursor  # the rings lost it meanwhile; read again

    def _callback(self, subscription: Subscription) -> str:
        """
        Return the function that the answer has to call, or nothing.

        Raises:
            BadRequest: it is no name of a function.
        """
        name = subscription.callback if self._mount.jsonp else None
        if name is not None and not is_callback(name):
            raise BadRequest(
                "callback must be the name of a function: letters, digits, _ and $, with dots"
                " between names",
                field="callback",
            )
        return name or ""

    def _encoder(self, request: web.BaseRequest, *, script: bool) -> PollEncoder:
        compress = self._mount.compress and not script
        form = Form(
            self._writing,
            self._services.readable_by(request),
            bool(request.keep_alive),
            request.version >= HttpVersion11,
            choose_coding(request.headers.get(hdrs.ACCEPT_ENCODING, "")) if compress else "",
            compress,
            script,
        )
        return self._services.encoders.get(_poll_encoder, form)

    def _by_aiohttp(self, encoder: PollEncoder, found: Found, callback: str) -> web.Response:
        answers = encoder.answers
        headers = {**answers.fixed, **cursor_headers(found.entry.cursor)}
        if found.gap is not None:
            headers[GAP_HEADER] = str(found.gap)
        if not found.frames and not callback:
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE], body = answers.body(found.frames)
        if callback:
            return web.Response(body=put_callback(body, callback, chunked=False), headers=headers)
        coded, body = answers.packed(body)
        return web.Response(body=body, headers={**headers, **coded})


def _poll_encoder(form: Form) -> PollEncoder:
    return PollEncoder(PollAnswers(form))
