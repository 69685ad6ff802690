"""
The error tree: every way in which a request, a token or a configuration can be refused.

Each class fixes the HTTP status, the WebSocket close code, whether coming back later can help,
and a slug that names it in problem bodies, metrics and `docs/reference/errors.md`:

- `BrokerError`
    - `BadRequest` 400: `BadCursor`, `BadChannel`, `BadBody`, `BadHeader`, `TooManyChannels`
    - `Unauthorized` 401: `TokenMissing`, `TokenMalformed`, `TokenExpired`, `TokenRevoked`
    - `Forbidden` 403: `ChannelForbidden`, `OriginForbidden`
    - `NotFound` 404: `UnknownChannel`, `UnknownPath`
    - `MethodNotAllowed` 405
    - `BodyTimeout`, `TooSlow` 408
    - `TooManyRevocations` 409
    - `PreconditionFailed` 412, `IdempotencyMismatch` 422
    - `BodyTooLarge` 413
    - `UnsupportedMedia` 415
    - `TooMany` 429
    - `Unavailable` 503: `StoreUnavailable`, `Draining`
    - `InternalError` 500

An error carries fields; `str()` makes the sentence. No field ever holds a token or a payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import ClassVar


class BrokerError(Exception):
    """
    Base of every refusal.

    Args:
        detail: One sentence for a person: what was wrong and what would be right.
        field: Name of the parameter, header, claim or key at fault.
        limit: The limit that was passed, in the unit that `detail` names.
        nearest: The nearest right value, where there is one.
        setting: The setting that sets the limit, where one does.
        retry_after_s: After how many seconds it may succeed, where that is known.

    Attributes:
        index: Number of the item of a batch at fault, from 0; see `within`.
        headers: What the answer carries beside the ordinary, by name.

    Source: RFC 9457 (problem details); `design.md` section 8.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    close_code: ClassVar[int] = 3500
    retry: ClassVar[bool] = False
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        limit: int | None = None,
        nearest: str | None = None,
        setting: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.limit = limit
        self.nearest = nearest
        self.setting = setting
        self.retry_after_s = retry_after_s
        self.index: int | None = None

    def within(self, place: str, index: int) -> None:
        """
        Say which item of a batch is at fault.

        Args:
            place: The item as its author counts, for example `line 3`.
            index: Its number, from 0.
        """
        self.detail = f"{place}: {self.detail}"
        self.index = index

    def __str__(self) -> str:
        return self.detail

    def problem(self) -> dict[str, object]:
        """Return the members of the RFC 9457 body."""
        members: dict[str, object] = {
            "type": f"urn:broker:error:{self.slug}",
            "title": self.title,
            "status": int(self.status),
            "detail": self.detail,
        }
        for name in ("field", "limit", "setting", "nearest", "index"):
            value = getattr(self, name)
            if value is not None:
                members[name] = value
        return members


class InternalError(BrokerError):
    """The broker failed; the request was not at fault."""


class BadRequest(BrokerError):
    """The request is malformed."""

    status = HTTPStatus.BAD_REQUEST
    close_code = 1008
    slug = "bad-request"
    title = "Malformed request"


class BadCursor(BadRequest):
    """A cursor has a part that cannot be read."""

    slug = "bad-cursor"
    title = "Malformed cursor"


class BadChannel(BadRequest):
    """A channel name or list is malformed."""

    slug = "bad-channel"
    title = "Malformed channel"


class TooManyChannels(BadRequest):
    """More channels than one request may name."""

    slug = "too-many-channels"
    title = "Too many channels"


class BadBody(BadRequest):
    """A request body is not what the endpoint takes."""

    slug = "bad-body"
    title = "Malformed body"


class BadHeader(BadRequest):
    """A request header has a value that cannot be used."""

    slug = "bad-header"
    title = "Malformed header"


class Unauthorized(BrokerError):
    """The client did not show who it is."""

    status = HTTPStatus.UNAUTHORIZED
    close_code = 3401
    slug = "unauthorized"
    title = "Not authenticated"


class TokenMissing(Unauthorized):
    """No token was sent where one is needed."""

    slug = "token-missing"
    title = "Token missing"


class TokenMalformed(Unauthorized):
    """The token cannot be read, or its signature or a claim does not hold."""

    slug = "token-malformed"
    title = "Token refused"


class TokenExpired(Unauthorized):
    """The token was valid once."""

    slug = "token-expired"
    title = "Token expired"


class TokenRevoked(Unauthorized):
    """The token was revoked."""

    slug = "token-revoked"
    title = "Token revoked"


class Forbidden(BrokerError):
    """The client is known and may not do this."""

    status = HTTPStatus.FORBIDDEN
    close_code = 3403
    slug = "forbidden"
    title = "Not allowed"


class ChannelForbidden(Forbidden):
    """No requested channel is allowed."""

    slug = "channel-forbidden"
    title = "Channel not allowed"


class OriginForbidden(Forbidden):
    """A browser page of another site called an endpoint that is not open to it."""

    slug = "origin-forbidden"
    title = "Origin not allowed"


class NotFound(BrokerError):
    """There is nothing under that name."""

    status = HTTPStatus.NOT_FOUND
    close_code = 1008
    slug = "not-found"
    title = "Not found"


class UnknownChannel(NotFound):
    """No pattern of `channels.yaml` matches the channel."""

    slug = "unknown-channel"
    title = "Unknown channel"


class UnknownPath(NotFound):
    """No endpoint has that path."""

    slug = "unknown-path"
    title = "Unknown path"


class MethodNotAllowed(BrokerError):
    """The endpoint does not answer this method."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    close_code = 1008
    slug = "method-not-allowed"
    title = "Method not allowed"


class BodyTimeout(BrokerError):
    """The body of a request did not arrive in time."""

    status = HTTPStatus.REQUEST_TIMEOUT
    close_code = 1008
    retry = True
    slug = "body-timeout"
    title = "Body came too slowly"


class TooManyRevocations(BrokerError):
    """As many revocations hold as are kept of one tenant."""

    status = HTTPStatus.CONFLICT
    close_code = 1008
    slug = "too-many-revocations"
    title = "Too many revocations"


class PreconditionFailed(BrokerError):
    """`If-Match` names another message than the channel's last."""

    status = HTTPStatus.PRECONDITION_FAILED
    close_code = 1008
    slug = "precondition-failed"
    title = "Precondition failed"


class IdempotencyMismatch(BrokerError):
    """An idempotency key came back with another request."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    close_code = 1008
    slug = "idempotency-mismatch"
    title = "Idempotency key reused"


class BodyTooLarge(BrokerError):
    """A body, message or frame is larger than its limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    close_code = 1009
    slug = "too-large"
    title = "Too large"


class UnsupportedMedia(BrokerError):
    """A body is of a type or encoding that the endpoint does not take."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    close_code = 1003
    slug = "unsupported-media"
    title = "Unsupported media type"


class TooMany(BrokerError):
    """The client asks for more than its share."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    close_code = 1008
    retry = True
    slug = "too-many"
    title = "Too many requests"


class TooSlow(BrokerError):
    """The client reads a channel more slowly than its messages come, and it does not wait."""

    status = HTTPStatus.REQUEST_TIMEOUT
    close_code = 1013
    retry = True
    slug = "too-slow"
    title = "Reader too slow"


class Unavailable(BrokerError):
    """The broker cannot serve this now; coming back later can help."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    close_code = 3503
    retry = True
    slug = "unavailable"
    title = "Temporarily unavailable"


class StoreUnavailable(Unavailable):
    """The store did not answer in time."""

    slug = "store-unavailable"
    title = "Store unavailable"


class Draining(Unavailable):
    """This node is about to stop."""

    slug = "draining"
    title = "Node is draining"
