"""Publishing: `POST /publish/{channels}` for one message, `POST /publish` for many."""

from __future__ import annotations

from asyncio import Future, sleep
from collections.abc import Sequence
from hashlib import blake2b

from aiohttp import web

from broker.api.batch import BatchReader
from broker.api.call import Call
from broker.api.express import Express, Known
from broker.api.headers import EVENT_ID, IF_MATCH, PublishHeaders, read_headers
from broker.api.intake import Intake
from broker.api.media import Media, read_media
from broker.api.stored import answer_stored
from broker.core.bodies import compact_json, quote_text
from broker.core.channels import parse_channels
from broker.core.errors import BadBody, BadHeader, UnsupportedMedia
from broker.core.message import Draft
from broker.settings import Settings
from broker.store.base import Publication, Stored

_SLICE_ITEMS = 500
_FINGERPRINT_BYTES = 16


class Publish:
    """
    The publish endpoints.

    Args:
        settings: Limits.
        intake: Stores messages.

    Attributes:
        express: Remembers plain publishes, where there is one.
    """

    def __init__(self, settings: Settings, intake: Intake) -> None:
        self.express: Express | None = None
        self._settings = settings
        self._intake = intake

    async def one(self, call: Call) -> web.StreamResponse:
        """Store one message in every channel of the path, in all or in none (P6)."""
        settings = self._settings
        channels = parse_channels(
            call.rest,
            settings.max_publish_channels,
            settings.max_channel_bytes,
            "max_publish_channels",
        )
        self._intake.check(call.publisher, channels)
        headers = read_headers(call.request.headers)
        if headers.if_match and len(channels) > 1:
            raise BadHeader("If-Match needs a single channel in the path", field=IF_MATCH)
        media = read_media(call.request.headers)
        body = await self._intake.body(call)
        publication = self._publication(call.rest, channels, media, headers, body)
        self._intake.rates.take(call.publisher, len(channels))
        response = answer_stored(await self._intake.store(call.tenant, publication))
        if self.express is None:
            return response
        return self.express.learn(call, media, headers, response)

    def submit(
        self, known: Known, channel: str, headers: PublishHeaders, body: bytes
    ) -> Future[Stored]:
        """
        Queue one message for one channel.

        Raises:
            BrokerError: what is wrong with it, as `one` says.
        """
        publication = self._publication(channel, (channel,), known.media, headers, body)
        self._intake.rates.take(known.publisher, 1)
        return self._intake.submit(known.tenant, publication)

    def _publication(
        self,
        path: str,
        channels: Sequence[str],
        media: Media,
        headers: PublishHeaders,
        body: bytes,
    ) -> Publication:
        text = _message(media, body)
        self._intake.check_size(channels, text)
        targets = self._intake.targets()
        event = headers.event_id, headers.event_type
        return Publication(
            [Draft(channel, text, *event) for channel in channels],
            [targets[channel].retention for channel in channels],
            headers.idempotency_key,
            fingerprint(path, media.name, headers, body),
            headers.if_match,
        )

    async def many(self, call: Call) -> web.Response:
        """Store the messages of an array or of lines, all or none (P6)."""
        settings = self._settings
        self._intake.rates.check(call.publisher)
        headers = read_headers(call.request.headers)
        if headers.event_id or headers.event_type:
            raise BadHeader(
                "in a batch, event_id and event_type stand in its items", field=EVENT_ID
            )
        media = read_media(call.request.headers)
        reader = BatchReader(
            self._intake.targets(), settings.max_batch_messages, settings.max_publish_channels
        )
        body = await self._intake.body(call)
        await _read_batch(reader, media, body)
        if headers.if_match and len(reader.drafts) > 1:
            raise BadHeader("If-Match needs a single message to a single channel", field=IF_MATCH)
        publication = Publication(
            reader.drafts,
            reader.retentions,
            headers.idempotency_key,
            fingerprint("", media.name, headers, body),
            headers.if_match,
        )
        self._intake.rates.take(call.publisher, len(reader.drafts))
        return answer_stored(await self._intake.store(call.tenant, publication))


async def _read_batch(reader: BatchReader, media: Media, body: bytes) -> None:
    """Read a batch in slices, so that subscribers are served in between."""
    if media is Media.TEXT:
        raise UnsupportedMedia(
            "a batch is application/json or application/x-ndjson",
            field="Content-Type",
            nearest="application/x-ndjson",
        )
    if media is Media.NDJSON:
        lines = reader.split_lines(body)
        for start in range(0, len(lines), _SLICE_ITEMS):
            if start:
                await sleep(0)
            reader.add_lines(lines[start : start + _SLICE_ITEMS], start + 1)
    else:
        elements = reader.split_array(body)
        for start in range(0, len(elements), _SLICE_ITEMS):
            if start:
                await sleep(0)
            reader.add_elements(elements[start : start + _SLICE_ITEMS])
    reader.finish()


def _message(media: Media, body: bytes) -> bytes:
    if media is Media.NDJSON:
        raise UnsupportedMedia(
            "this path takes one message; send lines of messages to /publish",
            field="Content-Type",
            nearest="application/json",
        )
    if not body:
        raise BadBody("the body is empty; it is the message, as JSON or as text/plain")
    return compact_json(body) if media is Media.JSON else quote_text(body)


def fingerprint(path: str, kind: str, headers: PublishHeaders, body: bytes) -> str:
    """
    Return a digest of everything that makes up a request; empty where nothing is keyed.

    Args:
        path: Where the messages go, as the request says it.
        kind: How the body is read.
        headers: What is stored with the messages, and on what condition.
        body: The body.
    """
    if not headers.idempotency_key:
        return ""
    digest = blake2b(digest_size=_FINGERPRINT_BYTES)
    for part in (path, kind, headers.event_id, headers.event_type, headers.if_match):
        digest.update(part.encode("utf-8", "surrogateescape") + b"\n")
    digest.update(body)
    return digest.hexdigest()
