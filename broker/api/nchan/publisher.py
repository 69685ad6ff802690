"""nchan's publisher: POST and PUT publish, GET tells, DELETE drops."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import hdrs, web

from broker.api.call import Call
from broker.api.names import publish_channels
from broker.api.nchan.forms import choose_nchan_form, nchan_facts
from broker.api.posting import Posting
from broker.api.problems import answer
from broker.api.stored import REPLAYED
from broker.api.survey import ChannelFacts, Surveyor
from broker.core.errors import UnknownChannel
from broker.core.publisher_mounts import PublisherMount
from broker.settings import Settings

_NOTICE = "410 Gone"
"""What subscribers are told of a deletion: nchan ends their requests with that status."""


class NchanPublisher:
    """
    Answers publishers as nchan does.

    Args:
        posting: Stores messages.
        surveyor: Knows what there is of channels.
        settings: Limits.
    """

    def __init__(self, posting: Posting, surveyor: Surveyor, settings: Settings) -> None:
        self._posting = posting
        self._surveyor = surveyor
        self._settings = settings

    async def publish(self, mount: PublisherMount, call: Call) -> web.Response:
        """
        Store the body in every channel; 201 where somebody listens, else 202.

        Source: nchan 1.3.6, observed; an empty body is a message there, too.
        """
        channels = publish_channels(call, mount, self._settings)
        stored = await self._posting.post(mount, call, channels, empty=True)
        survey = await self._surveyor.named(call.tenant, channels)
        heard = any(each.subscribers for each in survey.channels)
        status = HTTPStatus.CREATED if heard else HTTPStatus.ACCEPTED
        response = _told(call, survey.channels, status, info=mount.info)
        if stored.repeated:
            response.headers[REPLAYED] = "true"
        return response

    async def tell(self, mount: PublisherMount, call: Call) -> web.Response:
        """
        Answer with the state of the channels.

        Raises:
            UnknownChannel: None exists.
        """
        channels = publish_channels(call, mount, self._settings)
        survey = await self._surveyor.named(call.tenant, channels)
        found = [each for each in survey.channels if each.exists]
        if not found:
            raise UnknownChannel("no such channel holds anything or is listened to")
        return _told(call, found, HTTPStatus.OK)

    async def delete(self, mount: PublisherMount, call: Call) -> web.Response:
        """Drop what the channels hold; answer with what that was."""
        channels = publish_channels(call, mount, self._settings)
        dropped = await self._posting.drop(call, channels, _NOTICE)
        return _told(call, dropped, HTTPStatus.OK)

    async def options(self, mount: PublisherMount, _: Call) -> web.Response:
        """Answer with the methods that there are."""
        methods = "GET, POST, PUT, DELETE" if mount.delete else "GET, POST, PUT"
        return answer(b"", content_type="text/plain", headers={hdrs.ALLOW: methods})


def _told(
    call: Call, channels: Sequence[ChannelFacts], status: HTTPStatus, *, info: bool = True
) -> web.Response:
    form = choose_nchan_form(call.request.headers.get(hdrs.ACCEPT, ""))
    text = form.write(nchan_facts(channels)) if info else ""
    return answer(text.encode(), status, form.content_type)
