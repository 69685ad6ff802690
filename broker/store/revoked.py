"""Revocations in Redis: their text, reading all of them, hearing each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Final
import logging

import orjson

from broker.core.revocations import Revocation
from broker.core.tenants import is_tenant
from broker.store.base import Revoked
from broker.store.commands import Commands
from broker.store.keys import RevocationKeys

_log = logging.getLogger(__name__)

_SCAN_MEMBERS: Final = 1000
"""Members that the server looks at in one step of a listing."""
_SPACES: Final = 2


def encode_revocation(revocation: Revocation) -> bytes:
    """Return a revocation as text, without its tenant and its end."""
    return orjson.dumps([revocation.jti, revocation.sub, revocation.issued_before])


def decode_revocation(tenant: bytes, until: bytes, text: bytes) -> Revocation:
    """
    Read a revocation.

    Args:
        tenant: Whose tokens.
        until: Its end, as the server writes numbers.
        text: See `encode_revocation`.

    Raises:
        ValueError: these are none.
    """
    whose = tenant.decode()
    match orjson.loads(text):
        case [str(jti), str(sub), (int() | None) as issued_before] if is_tenant(whose):
            return Revocation(whose, int(until), jti, sub, issued_before)
    raise ValueError("this is no revocation")


def decode_news(payload: bytes) -> Revocation:
    """
    Read an announced revocation.

    Raises:
        ValueError: the payload is none.
    """
    until, tenant, text = payload.split(b" ", _SPACES)
    return decode_revocation(tenant, until, text)


async def read_revocations(
    commands: Commands, keys: RevocationKeys
) -> AsyncIterator[list[Revocation]]:
    """
    Yield all revocations, some at a time: at least those that hold throughout.

    Raises:
        StoreUnavailable: the store did not answer in time.
    """
    tenants = [name async for page in _scan(commands, keys.tenants) for name, _ in page]
    for tenant in tenants:
        async for page in _scan(commands, keys.of(tenant.decode())):
            yield [*_decode_all(tenant, page)]


def _decode_all(tenant: bytes, pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[Revocation]:
    for text, until in pairs:
        try:
            yield decode_revocation(tenant, until, text)
        except ValueError:
            _log.warning("Left out a revocation that cannot be read.")


async def _scan(commands: Commands, key: str) -> AsyncIterator[list[tuple[bytes, bytes]]]:
    """Yield the members of a sorted set with their scores, whatever else goes on there."""
    place: bytes | None = None
    while place != b"0":
        words = ("ZSCAN", key, place or b"0", "COUNT", _SCAN_MEMBERS)
        place, found = await commands.send(*words, key=key)
        yield [*zip(found[::2], found[1::2], strict=True)]


class RevocationWatch:
    """
    Hands revocations over in the order in which the store took them.

    What is announced while all of them are read waits until these were handed over: it is the
    newer.

    Args:
        read: Reads all of them, some at a time.
        revoked: Who hears.
    """

    def __init__(
        self, read: Callable[[], AsyncIterator[Sequence[Revocation]]], revoked: Revoked
    ) -> None:
        self._read = read
        self._revoked = revoked
        self._waiting: list[Revocation] | None = None

    def announced(self, revocation: Revocation) -> None:
        """Take a new one."""
        if self._waiting is None:
            self._hand_over([revocation])
        else:
            self._waiting.append(revocation)

    async def catch_up(self) -> None:
        """
        Hand all of them over; to be called once new ones are sure to be announced.

        Raises:
            StoreUnavailable: they could not be read.
        """
        waiting: list[Revocation] = []
        self._waiting = waiting
        try:
            async for some in self._read():
                self._hand_over(some)
        finally:
            self._waiting = None
            if waiting:
                self._hand_over(waiting)

    def _hand_over(self, revocations: Sequence[Revocation]) -> None:
        try:
            self._revoked(revocations)
        except Exception:  # noqa: BLE001 - a fault of its own must not end the listening
            _log.exception("Who hears of revocations failed.")
