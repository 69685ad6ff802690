"""All keys of a broker: its own, and those that others publish and change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from urllib.parse import urlsplit
import asyncio
import logging

from broker.auth.keys import Key, UnusableKey, parse_jwks

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets the body of a URL, whole; raises whatever it likes where it cannot."""

RETRY_S = 30.0
"""Least time between two fetches of one URL, so that made-up key ids cause no storm."""

MAX_AGE_S = 3600.0
"""Age at which published keys are fetched again, so that a withdrawn one is forgotten."""

FETCH_TIMEOUT_S = 5.0
"""How long a fetch may take; someone may be waiting to be let in."""

log = logging.getLogger(__name__)


class RemoteKeys:
    """
    The keys behind one JWKS URL.

    Keys once fetched stay in use until others take their place: a provider that does not answer
    locks nobody out.

    Args:
        url: Where the JWKS is.
        fetch: Gets it.
        clock: Seconds, monotonic.
    """

    def __init__(self, url: str, fetch: Fetch, clock: Callable[[], float]) -> None:
        self.keys: tuple[Key, ...] = ()
        self.name = urlsplit(url).hostname or "the JWKS URL"
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._tried_at: float | None = None
        self._fetched_at: float | None = None
        self._flight: asyncio.Task[None] | None = None
        self._tell: Callable[[], None] = lambda: None

    def watch(self, tell: Callable[[], None]) -> None:
        """Have `tell` called whenever the keys are others than before."""
        self._tell = tell

    @property
    def is_due(self) -> bool:
        """Whether the keys are old, or were never fetched, and may be asked for again."""
        if self._fetched_at is not None and self._clock() - self._fetched_at < MAX_AGE_S:
            return False
        return self._may_try()

    async def refresh(self) -> None:
        """Fetch the keys, once for all who ask meanwhile, and not again for `RETRY_S`."""
        flight = self._flight
        if flight is None or flight.done():
            if not self._may_try():
                return
            self._tried_at = self._clock()
            flight = self._flight = asyncio.create_task(self._replace())
        await asyncio.wait([flight])  # who gives up waiting must not end it for the others

    def _may_try(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= RETRY_S

    async def _replace(self) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                content = await self._fetch(self._url)
            keys = tuple(parse_jwks(content))
        except Exception as exc:  # noqa: BLE001 - whatever happens, the known keys stay in use
            log.warning("keys of %s not refreshed: %s", self.name, _reason(exc))
            return
        self._fetched_at = self._clock()
        if keys != self.keys:
            self.keys = keys
            self._tell()


class KeyRing:
    """
    All keys of a broker.

    Args:
        own: Keys of the broker itself.
        remotes: Keys that others publish.

    Attributes:
        version: A number that grows whenever keys come or go.
    """

    def __init__(self, own: Iterable[Key], remotes: Sequence[RemoteKeys] = ()) -> None:
        self.version = 0
        self._own = tuple(own)
        self._remotes = tuple(remotes)
        self._keys = self._own
        for remote in self._remotes:
            remote.watch(self._gather)

    def replace(self, own: Iterable[Key]) -> None:
        """Use other keys of the broker's own from now on; those of others stay."""
        self._own = tuple(own)
        self._gather()

    @property
    def own(self) -> Sequence[Key]:
        """The broker's own keys."""
        return self._own

    @property
    def can_learn(self) -> bool:
        """Whether a refresh could bring keys."""
        return bool(self._remotes)

    @property
    def is_complete(self) -> bool:
        """Whether every remote gave its keys at least once."""
        return all(remote.keys for remote in self._remotes)

    def find(self, kid: str) -> Sequence[Key]:
        """
        Return the keys that a token may be signed with.

        A key with the token's key id, or, where no key has it, those without an id. A token
        without a key id may be signed with any.
        """
        if not kid:
            return self._keys
        named = [key for key in self._keys if key.kid == kid]
        return named or [key for key in self._keys if not key.kid]

    def knows(self, kid: str) -> bool:
        """Tell whether some key has this id."""
        return bool(kid) and any(key.kid == kid for key in self._keys)

    async def refresh(self, *, due_only: bool = False) -> None:
        """
        Fetch the keys of every remote again, as often as each allows.

        Args:
            due_only: Leave out those whose keys are fresh.
        """
        remotes = [remote for remote in self._remotes if remote.is_due or not due_only]
        await asyncio.gather(*(remote.refresh() for remote in remotes))

    async def keep_fresh(self) -> None:
        """Fetch the keys of every remote again whenever they are old; ends when cancelled."""
        while self._remotes:
            await asyncio.sleep(RETRY_S)
            await self.refresh(due_only=True)

    def _gather(self) -> None:
        self._keys = self._own + tuple(key for other in self._remotes for key in other.keys)
        self.version += 1


def _reason(exc: Exception) -> str:
    """Return why, without a text of others: a fetcher's may hold the URL with its password."""
    return str(exc) if isinstance(exc, UnusableKey) else type(exc).__name__
