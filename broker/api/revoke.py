"""Revoking tokens: `POST /revoke`, and what was revoked: `GET /revocations`."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from heapq import nlargest
from operator import attrgetter
import logging
import math

from aiohttp import web
import orjson

from broker.api.access import TENANT, Guard
from broker.api.call import Call, read_body, read_limit, read_query
from broker.api.media import Media, read_media
from broker.api.problems import answer
from broker.api.services import Services
from broker.core.bodies import parse_json
from broker.core.channels import shown
from broker.core.cursor import MAX_TIME, parse_time
from broker.core.errors import BadBody, UnsupportedMedia
from broker.core.revocations import Revocation
from broker.core.tenants import is_tenant
from broker.logs import event

_log = logging.getLogger(__name__)

MAX_NAME_BYTES = 512
"""Bytes in a token's id or subject: several times the longest that issuers give out."""

DEFAULT_ROWS = 100
"""Revocations of one answer, where the request does not say."""

MAX_ROWS = 1000
"""Revocations of one answer."""

_MEMBERS = ("jti", "sub", "tenant", "issued_before", "until")
_TARGETS = frozenset({"jti", "sub", "tenant", "issued_before"})


class Revoke:
    """
    The endpoints about revocations.

    Args:
        services: What they work with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._guard = Guard(services.keys, services.settings.internal)

    async def revoke(self, call: Call) -> web.Response:
        """Revoke tokens: that of an id, those of a subject, or of a tenant, perhaps early ones."""
        read_query(call.request, ())
        settings = self._services.settings
        if read_media(call.request.headers) is not Media.JSON:
            raise UnsupportedMedia(
                "a revocation is one JSON object", field="Content-Type", nearest="application/json"
            )
        body = await read_body(call.request, settings.max_body_bytes, settings.request_timeout_s)
        members = _members(parse_json(body))
        revocation = Revocation(
            self._tenant(call, members),
            self._until(members),
            _name(members, "jti"),
            _name(members, "sub"),
            _moment(members, "issued_before"),
        )
        await self._services.store.revoke(revocation)
        self._services.patrol.revoked([revocation])  # here at once, elsewhere by announcement
        facts = event("revoked", tenant=revocation.tenant, by=call.publisher)
        _log.info("tokens of the tenant %s were revoked", revocation.tenant, extra=facts)
        return answer(orjson.dumps({"revoked": _row(revocation)}))

    async def list(self, call: Call) -> web.Response:
        """Return the revocations that hold, those that end last first."""
        query = read_query(call.request, ("limit",))
        limit = read_limit(query.get("limit"), DEFAULT_ROWS, MAX_ROWS)
        holding = self._services.patrol.in_force(call.tenant)
        rows = [_row(each) for each in nlargest(limit, holding, key=attrgetter("until"))]
        return answer(orjson.dumps({"revocations": rows, "complete": len(holding) <= limit}))

    def _tenant(self, call: Call, members: Mapping[str, object]) -> str:
        """Return whose tokens are meant; who may not speak for that tenant is refused."""
        if "tenant" not in members:
            return call.tenant
        named = members["tenant"]
        if not isinstance(named, str) or not is_tenant(named):
            raise BadBody("tenant must be the name of a tenant", field="tenant")
        headers = call.request.headers.copy()
        if headers.setdefault(TENANT, named) != named:
            raise BadBody(f"tenant is another one than in {TENANT}", field="tenant")
        return self._guard.tenant(headers)

    def _until(self, members: Mapping[str, object]) -> int:
        now = self._services.wall_clock()
        until = _moment(members, "until")
        if until is None:
            return math.ceil(now) + self._services.settings.max_token_ttl_s
        if until <= now:
            raise BadBody("until must lie in the future", field="until")
        return until


def _members(body: object) -> dict[str, object]:
    """Return the members of a request that says whom it is about in one way."""
    if not isinstance(body, dict):
        raise BadBody("the body must be a JSON object")
    for name in body:
        if name not in _MEMBERS:
            near = get_close_matches(name, _MEMBERS, n=1)
            raise BadBody(
                f"the member {shown(name)} is not known; known are: {', '.join(_MEMBERS)}",
                field=shown(name)[1:-1],
                nearest=near[0] if near else None,
            )
    if body.keys().isdisjoint(_TARGETS):
        raise BadBody("one of jti, sub, tenant and issued_before is needed", field="sub")
    if "jti" in body and ("sub" in body or "issued_before" in body):
        raise BadBody("jti stands for one token; leave sub and issued_before out", field="jti")
    return body


def _name(members: Mapping[str, object], name: str) -> str:
    """Read an id or subject, as a token may have it: text or a whole number; empty for none."""
    if name not in members:
        return ""
    value = members[name]
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise BadBody(f"{name} must be text or a whole number, as in the token", field=name)
    size = len(value.encode())
    if size > MAX_NAME_BYTES:
        raise BadBody(
            f"{name} is {size} bytes long, the limit is {MAX_NAME_BYTES}",
            field=name,
            limit=MAX_NAME_BYTES,
        )
    return value


def _moment(members: Mapping[str, object], name: str) -> int | None:
    """Read a moment, rounded up to whole seconds since the epoch; None where it is not given."""
    if name not in members:
        return None
    match members[name]:
        case bool():
            seconds = None
        case int() | float() as number:
            seconds = math.ceil(number)
        case str() as text:
            seconds = parse_time(text)
        case _:
            seconds = None
    if seconds is None:
        raise BadBody(f"{name} must be seconds since 1970, or an HTTP date", field=name)
    if not 0 <= seconds <= MAX_TIME:
        raise BadBody(
            f"{name} must be seconds since 1970, up to {MAX_TIME}; not milliseconds",
            field=name,
            limit=MAX_TIME,
        )
    return seconds


def _row(revocation: Revocation) -> dict[str, object]:
    tenant, until, jti, sub, issued_before = revocation
    row: dict[str, object] = {"tenant": tenant}
    if jti:
        row["jti"] = jti
    if sub:
        row["sub"] = sub
    if issued_before is not None:
        row["issued_before"] = issued_before
    return {**row, "until": until}
