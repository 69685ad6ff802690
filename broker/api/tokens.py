"""Tokens: what one allows and why, and making some while one develops."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from http import HTTPStatus
import math
import secrets

from aiohttp import web
import orjson

from broker.api.call import Call, read_body, read_query
from broker.api.media import Media, read_media
from broker.api.problems import answer
from broker.api.services import Services
from broker.auth.mint import mint
from broker.auth.sources import shared_secret
from broker.catalog.explanation import Explanation, bearer
from broker.core.bodies import parse_json
from broker.core.channels import check_channel, shown
from broker.core.errors import BadBody, BrokerError, Forbidden, TokenMalformed, UnsupportedMedia
from broker.core.grants import Grants
from broker.core.rules import Action
from broker.core.tenants import is_tenant

MAX_CHANNELS = 50
"""Channels that are explained, or granted, at once: as many as one connection may have."""

DEFAULT_TTL_S = 3600
_JTI_BYTES = 12
_OWN_CLAIMS = frozenset({"sub", "tenant", "channels", "iat", "exp", "jti", "aud", "iss"})
_ACTIONS: tuple[Action, ...] = ("subscribe", "publish")


class Tokens:
    """
    The endpoints about tokens.

    Args:
        services: What they work with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def explain(self, call: Call) -> web.Response:
        """
        Say what a token may do with channels, and which rule says so.

        A token that is bad is told in the answer: 401 would mean the key of this request.
        """
        members = await self._members(call, ("token", "channels", "action"))
        action = members.get("action", "subscribe")
        if action not in _ACTIONS:
            raise BadBody(f"action is one of {', '.join(_ACTIONS)}", field="action")
        channels = _names(members, "channels")
        for channel in channels:
            check_channel(channel, self._services.settings.max_channel_bytes)
        token = _text(members, "token")
        try:
            grants = await self._services.verifier.authenticate(token) if token else None
        except BrokerError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            return answer(orjson.dumps({"token": None, "error": error.problem(), "channels": []}))
        catalog = self._services.catalog()
        answers = [Explanation(catalog, grants, action, channel).told() for channel in channels]
        told = {"token": bearer(grants), "error": None, "channels": answers}
        return answer(orjson.dumps(told))

    async def make(self, call: Call) -> web.Response:
        """
        Make a token, signed with the broker's own secret: where the listener asks for no keys.

        Where it does, whoever holds a publisher's key could otherwise become any subscriber.
        """
        if self._services.keys:
            raise Forbidden("tokens are made here only while there are no API keys: development")
        known = ("sub", "tenant", "claims", "subscribe", "publish", "ttl_s")
        members = await self._members(call, known)
        claims = self._claims(call, members)
        try:
            Grants.of(claims)
        except TokenMalformed as exc:
            raise BadBody(str(exc)) from exc
        settings = self._services.settings
        secret = shared_secret(settings.jwt_secret.reveal(), settings.data)
        return answer(orjson.dumps({"token": mint(secret, claims), "claims": claims}))

    def _claims(self, call: Call, members: Mapping[str, object]) -> dict[str, object]:
        settings, now = self._services.settings, int(self._services.wall_clock())
        own = members.get("claims", {})
        if not isinstance(own, dict) or not _OWN_CLAIMS.isdisjoint(own):
            raise BadBody("claims is an object of claims that have no member here", field="claims")
        claims: dict[str, object] = {
            "sub": _text(members, "sub"),
            **own,
            "iat": now,
            "exp": now + _ttl_s(members),
            "jti": secrets.token_urlsafe(_JTI_BYTES),
            "tenant": _text(members, "tenant") or call.tenant,
        }
        if not is_tenant(str(claims["tenant"])):
            raise BadBody("tenant must be the name of a tenant", field="tenant")
        granted = {action: _names(members, action, least=0) for action in _ACTIONS}
        if any(granted.values()):
            claims["channels"] = granted
        expected = {"aud": settings.jwt_audience, "iss": settings.jwt_issuer}
        return claims | {name: value for name, value in expected.items() if value}

    async def _members(self, call: Call, known: tuple[str, ...]) -> dict[str, object]:
        read_query(call.request, ())
        settings = self._services.settings
        if read_media(call.request.headers) is not Media.JSON:
            raise UnsupportedMedia(
                "the body is one JSON object", field="Content-Type", nearest="application/json"
            )
        body = await read_body(call.request, settings.max_body_bytes, settings.request_timeout_s)
        members = parse_json(body)
        if not isinstance(members, dict):
            raise BadBody("the body must be a JSON object")
        for name in members.keys() - set(known):
            near = get_close_matches(name, known, n=1)
            raise BadBody(
                f"the member {shown(name)} is not known; known are: {', '.join(known)}",
                field=shown(name)[1:-1],
                nearest=near[0] if near else None,
            )
        return members


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name, "")
    if not isinstance(value, str):
        raise BadBody(f"{name} must be text", field=name)
    return value


def _names(members: Mapping[str, object], name: str, least: int = 1) -> list[str]:
    value = members.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadBody(f"{name} must be a list of channels", field=name)
    if not least <= len(value) <= MAX_CHANNELS:
        raise BadBody(
            f"{name} must hold {least} to {MAX_CHANNELS} channels", field=name, limit=MAX_CHANNELS
        )
    return value


def _ttl_s(members: Mapping[str, object]) -> int:
    match members.get("ttl_s", DEFAULT_TTL_S):
        case bool():
            pass
        case int() | float() as seconds if 0 < seconds < 2**32:
            return math.ceil(seconds)
    raise BadBody("ttl_s must be a number of seconds above 0", field="ttl_s")
