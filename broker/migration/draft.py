"""What a migration makes: mounts, channel rules, settings, and what became of every directive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple
import re

from broker.core.rules import Place
from broker.migration.configuration import Directive

Value = str | int | bool | tuple["str | Mapping[str, str]", ...] | Mapping[str, "str | int"]
"""What a key of a mount may hold."""

ANY_TOKEN: Value = ({},)
"""Rules that any valid token satisfies."""


_SHOWN_CHARACTERS = 80


class Fate(Enum):
    """
    What becomes of a directive.

    Attributes:
        SAME: It has a counterpart that does the same.
        CHANGED: It has a counterpart that differs; the reason says how.
        NGINX: It is nginx's own and stays there.
        NONE: It has no counterpart.
    """

    SAME = "same"
    CHANGED = "changed"
    NGINX = "nginx"
    NONE = "none"


class Finding(NamedTuple):
    """
    What became of one directive.

    Attributes:
        place: Where it stands.
        directive: Its text.
        fate: What became of it.
        became: What it is now; empty where it has no counterpart.
        why: The difference, or why there is no counterpart.
    """

    place: Place
    directive: str
    fate: Fate
    became: str = ""
    why: str = ""

    def __str__(self) -> str:
        told = " - ".join(filter(None, (self.became, self.why)))
        directive = self.directive
        if len(directive) > _SHOWN_CHARACTERS:
            directive = f"{directive[:_SHOWN_CHARACTERS]}..."
        return f"{self.place}: {directive}: {self.fate.value}: {told}"


class NoCounterpart(Exception):
    """A directive cannot be carried over as it stands; the text says why."""


@dataclass(slots=True)
class MountDraft:
    """
    One mount.

    Attributes:
        path: Its path.
        mode: Its mode.
        place: The location that it stands for.
        role: What makes that location answer.
        keys: Its further keys.
    """

    path: str
    mode: str
    place: Place
    role: Directive
    keys: dict[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"the mount {self.path}"


class Setting(NamedTuple):
    """
    A setting of the broker.

    Attributes:
        value: Its value.
        source: The directive that it comes from.
    """

    value: str
    source: Directive


@dataclass(slots=True)
class Draft:
    """
    Everything that will be written.

    Attributes:
        mounts: The mounts, in the order of their locations.
        settings: Settings by the names of their variables.
        messages: Messages kept per channel at most; None where nothing said so.
        age_s: Seconds for which they are kept; None where nothing said so.
        max_message_bytes: Size of a message at most; None where nothing said so.
        publishing: Whether subscribers may publish over their WebSockets.
        events: Name of the channel of events; empty where there is none.
        events_open: Whether subscribers may read it.
    """

    mounts: list[MountDraft] = field(default_factory=list)
    settings: dict[str, Setting] = field(default_factory=dict)
    messages: int | None = None
    age_s: int | None = None
    max_message_bytes: int | None = None
    publishing: bool = False
    events: str = ""
    events_open: bool = False
    _records: dict[Place, _Record] = field(default_factory=dict)
    _idle: dict[Place, str] = field(default_factory=dict)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What became of each directive, in the order of the files."""
        return tuple(self._records[place].finding(place) for place in sorted(self._records))

    def knows(self, directive: Directive) -> bool:
        """Tell whether it was said what became of a directive."""
        return directive.place in self._records

    def tell(self, directive: Directive, fate: Fate, became: str = "", why: str = "") -> None:
        """
        Say what became of a directive.

        One that holds for several endpoints is told once: the worst fate, and all that it became.
        """
        record = self._records.setdefault(directive.place, _Record(_shown(directive)))
        record.fates.append(fate)
        record.became[became] = None
        record.why[why] = None

    def leave(self, directive: Directive, reason: str) -> None:
        """Note why a directive means nothing to one endpoint; others may have a use for it."""
        self._idle.setdefault(directive.place, reason)

    def reason_left(self, directive: Directive) -> str:
        """Return why no endpoint has a use for a directive, empty where none was asked."""
        return self._idle.get(directive.place, "")


@dataclass(slots=True)
class _Record:
    """What became of one directive, for one endpoint after the other."""

    directive: str
    fates: list[Fate] = field(default_factory=list)
    became: dict[str, None] = field(default_factory=dict)
    why: dict[str, None] = field(default_factory=dict)

    def finding(self, place: Place) -> Finding:
        fate = max(self.fates, key=_WORSE.index)
        became, why = ", ".join(filter(None, self.became)), "; ".join(filter(None, self.why))
        return Finding(place, self.directive, fate, became, why)


_WORSE = (Fate.SAME, Fate.NGINX, Fate.CHANGED, Fate.NONE)
_CREDENTIALS = re.compile(r"(?<=://)[^@/\s]*(?=@)")
_SECRETS = frozenset({"nchan_redis_password", "nchan_redis_username"})


def _shown(directive: Directive) -> str:
    """Return a directive without what opens a store."""
    if directive.name in _SECRETS:
        return f"{directive.name} ***"
    return _CREDENTIALS.sub("***", str(directive))
