"""Posting: one message to the channels of a mount, and dropping what channels hold."""

from __future__ import annotations

from collections.abc import Sequence

from broker.api.bodies import message_text, read_kind
from broker.api.call import Call
from broker.api.headers import IF_MATCH, read_headers
from broker.api.intake import Intake
from broker.api.publish import fingerprint
from broker.api.services import Services
from broker.api.survey import ChannelFacts, Surveyor
from broker.core.bodies import quote_text
from broker.core.errors import BadBody, BadHeader, UnknownChannel
from broker.core.message import Draft
from broker.core.notices import DELETED
from broker.core.publisher_mounts import PublisherMount
from broker.core.ring import Retention
from broker.store.base import Publication, Stored

_UNKEPT = Retention(0, 0)


class EmptyBody(BadBody):
    """A publish without a body."""


class Posting:
    """
    What publishers of every dialect ask for.

    Args:
        services: What it works with.
        intake: Stores messages.
        surveyor: Knows which channels exist.
    """

    def __init__(self, services: Services, intake: Intake, surveyor: Surveyor) -> None:
        self._services = services
        self._intake = intake
        self._surveyor = surveyor

    async def post(
        self, mount: PublisherMount, call: Call, channels: Sequence[str], *, empty: bool = False
    ) -> Stored:
        """
        Store the body of a request in every channel, in all or in none (P6).

        Args:
            mount: Where it came; says how the body is taken, and how long it is kept.
            call: The request.
            channels: Where it goes.
            empty: Whether a message may be empty.

        Raises:
            BrokerError: What is wrong with it.
        """
        intake = self._intake
        intake.check(call.publisher, channels)
        headers = read_headers(call.request.headers)
        if headers.if_match and len(channels) > 1:
            raise BadHeader("If-Match needs a single channel", field=IF_MATCH)
        kind = read_kind(call.request.headers, mount.body)
        body = await intake.body(call)
        if not body and not empty:
            raise EmptyBody("the body is empty; it is the message")
        text = message_text(kind if body else "text", body)
        intake.check_size(channels, text)
        targets = intake.targets()
        event = headers.event_id, headers.event_type
        publication = Publication(
            [Draft(channel, text, *event) for channel in channels],
            [mount.retention(targets[channel].retention) for channel in channels],
            headers.idempotency_key,
            fingerprint(call.request.raw_path, kind, headers, body),
            headers.if_match,
        )
        intake.rates.take(call.publisher, len(channels))
        return await intake.store(call.tenant, publication)

    async def drop(
        self, call: Call, channels: Sequence[str], notice: str
    ) -> Sequence[ChannelFacts]:
        """
        Drop what channels hold, and tell their subscribers.

        Args:
            call: The request; its body, where it has one, takes the place of the notice.
            channels: Those that do not exist are left out.
            notice: What subscribers are told.

        Returns:
            What was known of the channels that existed, before.

        Raises:
            UnknownChannel: None existed.
        """
        self._intake.check(call.publisher, channels)
        body = await self._intake.body(call)
        text = quote_text(body or notice.encode())
        survey = await self._surveyor.named(call.tenant, channels)
        found = [facts for facts in survey.channels if facts.exists]
        if not found:
            raise UnknownChannel("no such channel holds anything or is listened to")
        for facts in found:
            await self._drop(call.tenant, facts.channel)
        self._services.destroyed(call.tenant, [facts.channel for facts in found])
        notices = [Draft(facts.channel, text, "", DELETED) for facts in found]
        await self._intake.store(call.tenant, Publication(notices, [_UNKEPT] * len(notices)))
        return found

    async def _drop(self, tenant: str, channel: str) -> None:
        last = await self._services.store.delete(tenant, channel)
        if last is not None:
            # The announcement says the same; who asks this node at once must find it done.
            self._services.hub.deleted(tenant, channel, last)
