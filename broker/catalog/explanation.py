"""Explanations: whether a token may do something with a channel, and which rule says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
import json

from broker.catalog.catalog import Catalog
from broker.core.grants import Decision, Grants, decide
from broker.core.rules import Action, Claim, find_claim


class Explanation:
    """
    The decision on one channel, and what led to it.

    Args:
        catalog: The rules.
        grants: What the token allows; None without one.
        action: What is to be done.
        channel: The channel.

    Attributes:
        channel: The channel.
        action: What is to be done.
        decision: What the rules say.
    """

    def __init__(
        self, catalog: Catalog, grants: Grants | None, action: Action, channel: str
    ) -> None:
        self.channel = channel
        self.action = action
        self.decision: Decision = decide(catalog, grants, action, channel)
        self._match = catalog.match(channel)
        self._grants = grants
        self._nearest = None if self._match else catalog.nearest(channel)

    def told(self) -> dict[str, Any]:
        """Return it for a program."""
        allowed, reason, rule, place = self.decision
        return {
            "channel": self.channel,
            "action": self.action,
            "allowed": allowed,
            "reason": reason,
            "rule": rule or None,
            "place": place._asdict() if place else None,
            "pattern": self._match.entry.pattern.text if self._match else None,
            "variables": dict(self._match.variables) if self._match else {},
            "unmet": [
                {"place": str(place), "claim": claim.name, "wanted": wanted, "token_has": has}
                for place, claim, wanted, has in self._unmet()
            ],
            "nearest": self._nearest,
        }

    def lines(self) -> Iterator[str]:
        """Return it for a person."""
        verdict = "allowed" if self.decision.allowed else "denied"
        yield f"{self.channel}: {self.action} {verdict}, {self.decision.reason}"
        if self._match is None:
            if self._nearest:
                yield f"  the nearest pattern is {self._nearest}"
            return
        entry = self._match.entry
        variables = " ".join(f"{name}={value}" for name, value in self._match.variables.items())
        yield f"  {entry.place}: pattern {entry.pattern.text} {variables}".rstrip()
        if self.decision.allowed and self.decision.place is None:
            yield f"  grant of the token: {self.decision.rule}"
        elif self.decision.allowed and self.decision.place != entry.place:
            yield f"  {self.decision.place}: rule that allows it"
        for place, claim, wanted, has in self._unmet():
            yield f"  {place}: rule needs {claim.name}={json.dumps(wanted)}, the token has {has}"

    def _unmet(self) -> Iterator[tuple[object, Claim, str | bool, str]]:
        if self._match is None or self._grants is None or self.decision.allowed:
            return
        claims, variables = self._grants.claims, self._match.variables
        for rule in self._match.entry.rules(self.action):
            for claim in rule.unmet(claims, variables):
                has = "none" if find_claim(claims, claim.name) is None else "another value"
                yield rule.place, claim, claim.wanted(variables), has


def bearer(grants: Grants | None) -> dict[str, Any] | None:
    """Return for a program whose token it is; None without one."""
    if grants is None:
        return None
    return {
        "sub": grants.subject,
        "tenant": grants.tenant,
        "jti": grants.jti,
        "expires_at": grants.expires_at,
    }
