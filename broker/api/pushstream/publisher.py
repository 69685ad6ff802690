"""The module's publisher: POST and PUT publish, GET tells, DELETE drops."""

from __future__ import annotations

from aiohttp import hdrs, web

from broker.api.call import Call
from broker.api.names import publish_channels
from broker.api.posting import Posting
from broker.api.problems import answer
from broker.api.pushstream.explain import CHANNEL_DELETED, DELETION_NOTICE, EXPLAIN
from broker.api.pushstream.statistics import Statistics
from broker.api.stored import REPLAYED
from broker.api.survey import Surveyor
from broker.core.publisher_mounts import PublisherMount
from broker.settings import Settings


class PushStreamPublisher:
    """
    Answers publishers as the module does.

    Args:
        posting: Stores messages.
        surveyor: Knows what there is of channels.
        statistics: Writes that down.
        settings: Limits.
    """

    def __init__(
        self, posting: Posting, surveyor: Surveyor, statistics: Statistics, settings: Settings
    ) -> None:
        self._posting = posting
        self._surveyor = surveyor
        self._statistics = statistics
        self._settings = settings

    async def publish(self, mount: PublisherMount, call: Call) -> web.Response:
        """
        Store the body in every channel; answer with their state.

        Source: push-stream reference, section 6.
        """
        channels = publish_channels(call, mount, self._settings)
        stored = await self._posting.post(mount, call, channels)
        if mount.info:
            survey = await self._surveyor.named(call.tenant, channels)
            response = self._statistics.about(
                call, survey.channels, survey.population, complete=survey.complete
            )
        else:
            response = answer(b"", content_type="text/plain")
        if stored.repeated:
            response.headers[REPLAYED] = "true"
        return response

    async def tell(self, mount: PublisherMount, call: Call) -> web.Response:
        """Answer with the state of the channels."""
        channels = publish_channels(call, mount, self._settings)
        return await self._statistics.named(call, channels)

    async def delete(self, mount: PublisherMount, call: Call) -> web.Response:
        """Drop what the channels hold; their subscribers are told."""
        channels = publish_channels(call, mount, self._settings)
        await self._posting.drop(call, channels, DELETION_NOTICE)
        headers = {EXPLAIN: CHANNEL_DELETED}
        return answer(b"", content_type="text/plain", headers=headers)

    async def options(self, mount: PublisherMount, _: Call) -> web.Response:
        """Answer with the methods that there are."""
        methods = "GET, POST, PUT, DELETE" if mount.delete else "GET, POST, PUT"
        return answer(b"", content_type="text/plain", headers={hdrs.ALLOW: methods})
