"""Revocations: tokens that count no longer, though they are well signed and have not expired."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple
import math

from broker.core.grants import Grants

_FEW = 64
"""Revocations that are kept past their end without looking whether they can go."""


class Revocation(NamedTuple):
    """
    Tokens that are refused until a moment: the one of an id, those of a subject, or of a tenant.

    Attributes:
        tenant: Whose tokens.
        until: End of the revocation, in whole seconds since the epoch; it holds before that.
        jti: Id of the only token that is meant, or empty.
        sub: Subject whose tokens alone are meant, or empty.
        issued_before: Only tokens that were issued before this second are meant, and those that do
            not say when; None: all of them, later ones too.
    """

    tenant: str
    until: int
    jti: str = ""
    sub: str = ""
    issued_before: int | None = None


Target = tuple[str, str, str]
"""Whom revocations are about: tenant, `jti` or empty, `sub` or empty."""


class _Cut(NamedTuple):
    """Tokens issued before a moment, infinite for all, are refused until another one."""

    issued_before: float
    until: int


class Revocations:
    """
    The revocations that a node knows, found by what a token says of itself.

    Asking costs at most three look-ups, however many there are. The same revocation with another
    end takes the place of the first. What is past its end is forgotten now and then, so that at
    most about half of what is kept is of no use any more.
    """

    def __init__(self) -> None:
        self._cuts: dict[Target, list[_Cut]] = {}
        self._count = 0
        self._most = _FEW

    def __len__(self) -> int:
        return self._count

    def add(self, revocation: Revocation, now: float) -> bool:
        """
        Take a revocation.

        Args:
            revocation: The revocation; one that has ended ends the same one known before.
            now: Seconds since the epoch.

        Returns:
            Whether it was not known yet, with this end.
        """
        target = (revocation.tenant, revocation.jti, revocation.sub)
        before = revocation.issued_before
        cut = _Cut(math.inf if before is None else before, revocation.until)
        cuts = self._cuts.setdefault(target, [])
        place = bisect_left(cuts, (cut.issued_before,))
        if place < len(cuts) and cuts[place].issued_before == cut.issued_before:
            is_new = cuts[place] != cut
            cuts[place] = cut
            return is_new
        cuts.insert(place, cut)
        self._count += 1
        if self._count > self._most:
            self._sweep(now)
        return True

    def covers(self, grants: Grants, now: float) -> bool:
        """
        Tell whether a token is refused.

        Args:
            grants: What the token may do, and what it says of itself.
            now: Seconds since the epoch.
        """
        if not self._cuts:
            return False
        latest = self._latest
        tenant = grants.tenant
        issued_at = -math.inf if grants.issued_at is None else grants.issued_at
        return (
            issued_at < latest((tenant, "", ""), now)
            or issued_at < latest((tenant, "", grants.subject), now)
            or issued_at < latest((tenant, grants.jti or "", ""), now)
        )

    def of(self, tenant: str, now: float) -> Iterator[Revocation]:
        """Yield the revocations of a tenant that hold."""
        for target in self._cuts:
            if target[0] == tenant:
                yield from self._holding(target, now)

    def pages(self, now: float, size: int) -> Iterator[list[Revocation]]:
        """
        Yield those of all tenants that hold, some at a time; more may be added meanwhile.

        Args:
            now: Seconds since the epoch.
            size: About how many at a time.
        """
        page: list[Revocation] = []
        for target in list(self._cuts):
            page += self._holding(target, now)
            if len(page) >= size:
                yield page
                page = []
        if page:
            yield page

    def _holding(self, target: Target, now: float) -> Iterator[Revocation]:
        tenant, jti, sub = target
        for before, until in self._cuts.get(target, ()):
            if until > now:
                issued_before = None if before == math.inf else int(before)
                yield Revocation(tenant, until, jti, sub, issued_before)

    def _latest(self, target: Target, now: float) -> float:
        """Return the moment before which tokens must not have been issued; -inf without any."""
        cuts = self._cuts.get(target)
        if cuts is None:
            return -math.inf
        while cuts[-1].until <= now:  # of those that hold, the one with the last moment decides
            cuts.pop()
            self._count -= 1
            if not cuts:
                del self._cuts[target]
                return -math.inf
        return cuts[-1].issued_before

    def _sweep(self, now: float) -> None:
        """Forget what has ended."""
        holding = {
            target: [cut for cut in cuts if cut.until > now] for target, cuts in self._cuts.items()
        }
        self._cuts = {target: cuts for target, cuts in holding.items() if cuts}
        self._count = sum(map(len, self._cuts.values()))
        self._most = 2 * self._count + _FEW
