"""What a broker says when it has started: where it is, and a line to try each way."""

from __future__ import annotations

from collections.abc import Mapping
from time import time

from broker.auth.mint import mint
from broker.auth.sources import shared_secret
from broker.settings import ListenAddress, Settings

TOKEN_TTL_S = 24 * 3600
"""How long the token of the first lines is good for: a day of trying out."""

_EXAMPLE = "conversation_reply.100.7"
_ANY_HOST = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def welcome(settings: Settings, addresses: Mapping[str, ListenAddress]) -> str:
    """
    Return the lines for the terminal.

    Args:
        settings: Those of the broker.
        addresses: Where it listens: `public` and `internal`.

    The token lets a visitor of the default rules in; it is shown here, to whoever started the
    broker on this machine, and is in no log.
    """
    public, internal = _url(addresses["public"]), _url(addresses["internal"])
    lines = [
        "broker is ready",
        f"  subscribers  {public}",
        f"  publishers   {internal}",
    ]
    if internal.startswith("http"):
        lines.append(f"  console      {internal}/")
    if public.startswith("http"):
        token = _token(settings)
        url = f"{public}/longpoll/{_EXAMPLE}?auth_token={token}"
        lines += [
            "",
            f"token, valid for a day: {token}",
            "",
            "subscribe (waits for a message):",
            f"  curl '{url}'",
            "publish, from another terminal:",
            f"  curl -d '{{\"body\":\"hello\"}}' '{internal}/publish/{_EXAMPLE}'",
        ]
    return "\n".join(lines)


def _token(settings: Settings) -> str:
    claims = {"sub": "7", "app_id": "100", "role": "operator", "exp": int(time()) + TOKEN_TTL_S}
    return mint(shared_secret(settings.jwt_secret.reveal(), settings.data), claims)


def _url(address: ListenAddress) -> str:
    if address.path is not None:
        return str(address)
    host = "127.0.0.1" if address.host in _ANY_HOST else address.host
    return f"http://{ListenAddress(host, address.port)}"
