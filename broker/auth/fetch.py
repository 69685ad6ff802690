"""Fetching a published key set, with what Python brings."""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse
import asyncio
import time
import urllib.request

from broker.auth.keys import MAX_KEY_FILE_BYTES, UnusableKey

SOCKET_TIMEOUT_S = 5.0
"""How long the other side may be silent."""

TOTAL_TIMEOUT_S = 10.0
"""How long all of it may take; the thread that waits is gone by then."""

_PIECE_BYTES = 65_536


async def fetch_url(url: str) -> bytes:
    """
    Return the body behind an http or https URL.

    Key sets are fetched a few times a day, so a thread does it and nothing is kept open. Redirects
    are not followed: who publishes keys says where.

    Raises:
        UnusableKey: It cannot be had, or is too large.
    """
    return await asyncio.to_thread(_fetch, url)


def _fetch(url: str) -> bytes:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    ends_at = time.monotonic() + TOTAL_TIMEOUT_S
    try:
        request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310
        with opener.open(request, timeout=SOCKET_TIMEOUT_S) as response:
            return _read(response, ends_at)
    except urllib.request.HTTPError as exc:
        with exc:
            raise UnusableKey(f"the answer has status {exc.code}") from exc
    except UnusableKey:
        raise
    except (OSError, HTTPException, ValueError) as exc:
        raise UnusableKey(f"it cannot be fetched ({type(exc).__name__})") from exc


def _read(response: HTTPResponse, ends_at: float) -> bytes:
    body = bytearray()
    while piece := response.read1(_PIECE_BYTES):
        body += piece
        if len(body) > MAX_KEY_FILE_BYTES:
            raise UnusableKey(f"it is larger than {MAX_KEY_FILE_BYTES} bytes")
        if time.monotonic() > ends_at:
            raise UnusableKey(f"it takes longer than {TOTAL_TIMEOUT_S} seconds")
    if response.length:
        raise UnusableKey("the answer was cut off")
    return bytes(body)
