"""The page of all errors, made of the classes that fix their status and close code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
import inspect
import pkgutil

from broker.core.errors import BrokerError
import broker

INTRODUCTION = """\
# Errors

Every refusal is a problem document (RFC 9457, `application/problem+json`). Its `type` ends with one
of the names below, `urn:broker:error:token-expired`; `detail` is a sentence for a person; `field`,
`limit`, `setting` (which sets the limit), `nearest` and `index` (of an item in a batch) stand where
they help. Names stay, sentences may change. On the public listener `meta` and `data` follow, for
clients of the legacy API; see [endpoints](endpoints.md#refusals).

A close code is that of a WebSocket which ends for this reason once it is open. A WebSocket that
cannot begin is refused by the HTTP status; with `refuse_websocket=close`, refusals of the token,
of channels and of the store come by close code as well. *Come back* says that the same request may
succeed later: such answers carry `Retry-After`, public ones of 20 to 30 seconds, internal ones of
one second.

This page is made of the classes in `broker/core/errors.py` and below by `make docs`.
"""

ADVICE = {
    "internal-error": "Look into the broker's log; the internal listener's `instance` ends with the"
    " request id that stands there.",
    "bad-request": "Send it as [endpoints](endpoints.md) describes; `detail` names what is wrong.",
    "bad-cursor": "Send `tag` and `time` as they came; leave both out to begin anew.",
    "bad-channel": "Use names as [endpoints](endpoints.md#public-subscribing) describes them.",
    "too-many-channels": "Name fewer, or raise `max_channels` or `max_publish_channels`.",
    "bad-body": "Send JSON in UTF-8; `detail` names the line and column, or the item, at fault.",
    "bad-header": "Correct the header in `field`.",
    "upgrade-required": "Use a WebSocket client, or take `/eventsource/` or `/longpoll/`; a proxy"
    " in between must pass `Upgrade` on.",
    "unauthorized": "Send one of `api_keys`: `Authorization: Bearer KEY`, or `X-Api-Key: KEY`.",
    "token-missing": "Send a [token](tokens.md); none of the channels is public.",
    "token-malformed": "Get a new token; compare `jwt_secret`, `jwt_keys`, `jwt_issuer` and"
    " `jwt_audience` with what signs it. `broker explain --token` says more.",
    "token-expired": "Get a new token and come back with the cursor.",
    "token-revoked": "Get a new token.",
    "forbidden": "Use a key of that tenant, or leave `X-Tenant` out.",
    "channel-forbidden": "Ask for other channels, or give the token what the rule wants;"
    " `broker explain` names the rule. `ping` is published by the broker alone.",
    "origin-forbidden": "Add the page to `allowed_origins`; call the internal listener by its"
    " address, and from no page of another site.",
    "not-found": "Correct the address.",
    "unknown-channel": "Add a pattern to [channels.yaml](channels.md), or correct the name;"
    " `nearest` is the most similar pattern.",
    "unknown-path": "Take a path of [endpoints](endpoints.md).",
    "method-not-allowed": "Use one of the methods in the header `Allow`.",
    "body-timeout": "Send the body faster, or in smaller pieces; the limit is `request_timeout_s`.",
    "too-slow": "Come back at once with the cursor, and read faster or fewer channels. A channel of"
    " the list has `slow_reader: close`; the limit is `slow_reader_s`.",
    "too-many-revocations": "Revoke with `issued_before` alone, which stands for many, or raise"
    " `max_revocations`.",
    "precondition-failed": "Read the channel, then publish on top of its last message.",
    "idempotency-mismatch": "Take a new key for each new request.",
    "too-large": "Send less; `detail` names the limit: `max_body_bytes`, `max_message_bytes`, or"
    " `max_message` of the channel's pattern.",
    "unsupported-media": "Send `application/json`, `application/x-ndjson` or `text/plain`, in"
    " UTF-8, not compressed.",
    "too-many": "Wait as long as `Retry-After` says. `setting` names the share that is used up.",
    "unavailable": "Come back later. Publishers: the queue is full (`publish_queue_messages`,"
    " `publish_queue_bytes`) and nothing was stored. Subscribers: the node is full"
    " (`max_connections`, `max_waiting_subscribers`), or the key set behind `jwt_keys` was never"
    " reached.",
    "store-unavailable": "Come back later; look at the store. A publish may be stored or not: the"
    " same `Idempotency-Key` stores it once.",
    "draining": "Come back later, or go to another node at once; the cursor counts there too.",
}
"""What to do about each error, by its name."""


def page() -> str:
    """Return the page, as Markdown."""
    return "\n".join((INTRODUCTION, *_overview(), *_sections()))


def errors() -> dict[str, list[type[BrokerError]]]:
    """Return every class of errors by its slug, the one that the others stem from first."""
    for module in pkgutil.walk_packages(broker.__path__, "broker."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    by_slug: dict[str, list[type[BrokerError]]] = {}
    for kind in _below(BrokerError):
        by_slug.setdefault(kind.slug, []).append(kind)
    by_slug["internal-error"].remove(BrokerError)  # never raised itself
    return dict(sorted(by_slug.items(), key=lambda item: (item[1][0].status, item[0])))


def _below(kind: type[BrokerError]) -> Iterator[type[BrokerError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _below(child)


def _overview() -> Iterator[str]:
    yield "| Name | HTTP | Close code | Come back |"
    yield "|---|---|---|---|"
    for slug, kinds in errors().items():
        kind = kinds[0]
        again = "yes" if kind.retry else ""
        yield f"| [{slug}](#{slug}) | {int(kind.status)} | {kind.close_code} | {again} |"
    yield ""


def _sections() -> Iterator[str]:
    for slug, kinds in errors().items():
        kind = kinds[0]
        names = ", ".join(f"`{each.__name__}`" for each in kinds)
        yield f"## `{slug}`\n"
        yield f"{kind.title} · {int(kind.status)} · {names}\n"
        yield f"{_meanings(kinds)}\n"
        yield f"What to do: {ADVICE[slug]}\n"


def _meanings(kinds: Sequence[type[BrokerError]]) -> str:
    """Return the first sentences of all docstrings, each once."""
    return " ".join(dict.fromkeys((inspect.getdoc(kind) or "").split("\n")[0] for kind in kinds))
