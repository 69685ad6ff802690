"""The intake: what every way of publishing over this listener has in common."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Sequence

from broker.api.call import Call, read_body
from broker.api.deadline import Deadline
from broker.api.rates import Rates
from broker.api.services import Services
from broker.api.targets import MAX_TARGETS, Targets, too_large
from broker.core.errors import StoreUnavailable
from broker.store.base import Publication, Stored


class Intake:
    """
    Takes messages in: where they may go, how large and how many they may be, and storing them.

    Args:
        services: What it works with.
        rates: How much each publisher may publish.
    """

    def __init__(self, services: Services, rates: Rates) -> None:
        self.rates = rates
        self._services = services
        self._settings = services.settings
        self._deadline = Deadline(services.settings.publish_wait_s)
        self._known = Targets(services.catalog(), services.settings)

    def targets(self) -> Targets:
        """Return the channels known so far; begin anew under new rules."""
        catalog = self._services.catalog()
        if catalog is not self._known.catalog or len(self._known) >= MAX_TARGETS:
            self._known = Targets(catalog, self._settings)
        return self._known

    def check(self, publisher: str, channels: Sequence[str]) -> None:
        """
        Refuse what cannot be published whatever the body is, before that is read.

        Raises:
            BadChannel: A name cannot be one of a channel.
            UnknownChannel: No rule is about a channel.
            ChannelForbidden: The broker alone fills a channel.
            TooMany: The publisher has used its rate up.
        """
        targets = self.targets()
        for channel in channels:
            targets[channel]
        self.rates.check(publisher)

    def check_size(self, channels: Sequence[str], text: bytes) -> None:
        """
        Refuse a message that is too large for a channel.

        Raises:
            BodyTooLarge: It is.
        """
        targets = self.targets()
        for channel in channels:
            if len(text) > targets[channel].max_bytes:
                raise too_large(channel, targets[channel], len(text))

    async def body(self, call: Call) -> bytes:
        """Read the body of a request; see `read_body`."""
        settings = self._settings
        return await read_body(call.request, settings.max_body_bytes, settings.request_timeout_s)

    def submit(self, tenant: str, publication: Publication) -> Future[Stored]:
        """
        Queue messages.

        Raises:
            Unavailable: Too many wait already.
        """
        return self._services.publisher.submit(tenant, publication)

    async def store(self, tenant: str, publication: Publication) -> Stored:
        """
        Store messages.

        Raises:
            StoreUnavailable: The store did not answer in time.
        """
        try:
            return await self._deadline.wait(self._services.publisher.publish(tenant, publication))
        except TimeoutError as exc:
            raise StoreUnavailable(
                f"the store did not answer within {self._deadline.seconds:g} s; the "
                "messages may be stored: the same Idempotency-Key stores them once"
            ) from exc
