"""The patrol: sends away sessions whose token was revoked, or whom the rules allow no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
import asyncio
import logging
import random

from broker.attendance import Attendance, Bearers
from broker.background import Background
from broker.core.errors import BrokerError, TokenRevoked
from broker.core.grants import Grants, Rulebook, objection
from broker.core.revocations import Revocation, Revocations
from broker.core.session import Session
from broker.hub.feed import Feed

SLICE_S = 0.002
"""Seconds of work after which the loop does something else: about a hundred goodbyes."""

RETURN_S = 2.0
"""Seconds over which those who lost a channel are asked to come back, for what they still may."""

Objections = dict[tuple[str, ...], BrokerError | None]
"""What speaks against a list of channels, for one token."""

_log = logging.getLogger(__name__)


class Patrol:
    """
    Knows what was revoked, and looks after live sessions whenever that or the rules change.

    Args:
        attendance: The sessions.
        rulebook: Gives the present channel rules.
        clock: Loop time in seconds.
        wall_clock: Seconds since the epoch.

    Attributes:
        revocations: What was revoked.
    """

    def __init__(
        self,
        attendance: Attendance,
        rulebook: Callable[[], Rulebook],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.revocations = Revocations()
        self._attendance = attendance
        self._rulebook = rulebook
        self._clock = clock
        self._wall_clock = wall_clock
        self._suspects: dict[Bearers, None] = {}
        self._background = Background()
        self._is_walking = False

    def is_revoked(self, grants: Grants) -> bool:
        """Tell whether a token was revoked."""
        return self.revocations.covers(grants, self._wall_clock())

    def in_force(self, tenant: str) -> list[Revocation]:
        """Return the revocations of a tenant that hold."""
        return list(self.revocations.of(tenant, self._wall_clock()))

    def revoked(self, revocations: Sequence[Revocation]) -> None:
        """Take revocations (a `Revoked`), and send away whom they are about."""
        now = self._wall_clock()
        new = [each for each in revocations if self.revocations.add(each, now)]
        self._suspect(self._attendance.concerned(new))

    def review(self) -> None:
        """Send away who has a channel that the rules, others than before, do not allow."""
        self._suspect(self._attendance.tokens)

    async def close(self) -> None:
        """Stop."""
        await self._background.close()

    def _suspect(self, tokens: Iterable[Bearers]) -> None:
        self._suspects.update(dict.fromkeys(tokens))
        if self._suspects and not self._is_walking:
            self._is_walking = True
            self._background.start(self._walk())

    async def _walk(self) -> None:
        """Look after all suspects, and those who are added meanwhile, a slice at a time."""
        until = self._clock() + SLICE_S
        try:
            for _ in self._steps():
                if self._clock() >= until:
                    await asyncio.sleep(0)
                    until = self._clock() + SLICE_S
        finally:
            self._is_walking = False

    def _steps(self) -> Iterator[None]:
        while self._suspects:
            bearers, _ = self._suspects.popitem()
            known: Objections = {}
            yield
            for session in list(bearers.sessions):
                try:
                    self._look_after(session, bearers.grants, known)
                except Exception:  # noqa: BLE001 - the others have their turn as well
                    _log.exception("a session could not be sent away")
                yield

    def _look_after(self, session: Session, grants: Grants | None, known: Objections) -> None:
        feed = session.feed
        # Since the walk came to its token it may have left, or go on with another token.
        if not isinstance(feed, Feed) or session.grants is not grants:
            return
        if grants is not None and self.is_revoked(grants):
            session.end(TokenRevoked("the token was revoked"))
            return
        names = feed.names
        if names not in known:
            known[names] = objection(self._rulebook(), grants, "subscribe", names)
        error = known[names]
        if error is not None:
            session.end(error, random.random() * RETURN_S)  # noqa: S311 - only spreads load
