"""The rules for channels: patterns with variables, and the claims that they ask of a token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple
import re

from broker.core.ring import Retention

Action = Literal["subscribe", "publish"]
"""What a token may be asked for."""

VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A variable in a pattern or in the value of a claim."""

DEFAULT_RETENTION = Retention(messages=1000, age_s=3600)
"""What is kept of a channel unless its entry says otherwise (dashly-rts, section 3)."""

DEFAULT_MAX_MESSAGE_BYTES = 65_536
"""Size of a message: a chat message with its attachments' metadata, several times over."""

_SAFE_INTEGER = 2**53


class SlowPolicy(Enum):
    """
    What a subscriber gets of a channel that it reads more slowly than messages come.

    Of messages, that is, which were published after its connection filled up; history that it
    asked for comes whole, whatever the policy.
    """

    CATCH_UP = "catch_up"
    """Every message that is kept, at the reader's own speed (P8)."""

    CONFLATE = "conflate"
    """The newest message, and how many are left out before it."""

    CLOSE = "close"
    """The end of its connection, once it is behind for too long, with its cursor."""


class BadPattern(ValueError):
    """A pattern cannot be read; the text says why."""


class Place(NamedTuple):
    """
    Where in a file something stands.

    Attributes:
        file: Name of the file as the operator gave it.
        line: Line, from 1.
        column: Column, from 1.
    """

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Segment(NamedTuple):
    """
    What stands between two dots of a pattern.

    Attributes:
        prefix: Text before the variable, or all of it where there is no variable.
        variable: Name of the variable, or empty.
        suffix: Text behind the variable.
    """

    prefix: str
    variable: str = ""
    suffix: str = ""

    @classmethod
    def parse(cls, text: str) -> Segment:
        """
        Read one segment: text, or text around one variable.

        Raises:
            BadPattern: It is empty, or holds two variables or a brace of no variable.
        """
        if not text:
            raise BadPattern("a pattern cannot hold an empty segment")
        prefix, *rest = VARIABLE.split(text)
        if len(rest) > 2:  # noqa: PLR2004 - one variable and what follows it
            raise BadPattern(f'one segment can hold one variable, "{text}" has {len(rest) // 2}')
        if any(brace in part for part in (prefix, *rest[1:]) for brace in "{}"):
            raise BadPattern(
                f'a variable is a name in braces, for example {{user_id}}; "{text}" is not'
            )
        return cls(prefix, *rest)

    @property
    def is_open(self) -> bool:
        """Whether all of it is variable."""
        return bool(self.variable) and not self.prefix and not self.suffix

    def covers(self, other: Segment) -> bool:
        """Tell whether every text that matches the other segment also matches this one."""
        if not self.variable:
            return self == other
        if other.variable:
            return other.prefix.startswith(self.prefix) and other.suffix.endswith(self.suffix)
        text = other.prefix
        fits = text.startswith(self.prefix) and text.endswith(self.suffix)
        return fits and len(text) > len(self.prefix) + len(self.suffix)


class Pattern:
    """
    Names of channels, with variables: `conversation.{app_id}.{user_id}`.

    A variable stands for one or more characters other than a dot; text may stand around it.

    Args:
        text: The pattern as it was written.

    Raises:
        BadPattern: A segment is malformed, or a variable comes twice.
    """

    __slots__ = ("_match", "segments", "text", "variables")

    def __init__(self, text: str) -> None:
        self.text = text
        self.segments = tuple(Segment.parse(part) for part in text.split("."))
        self.variables = tuple(part.variable for part in self.segments if part.variable)
        if len(set(self.variables)) < len(self.variables):
            raise BadPattern(f'a pattern names each variable once, "{text}" repeats one')
        self._match = re.compile(r"\.".join(_expression(part) for part in self.segments)).fullmatch

    @property
    def head(self) -> str | None:
        """The first segment where it is plain text, else None."""
        first = self.segments[0]
        return None if first.variable else first.prefix

    def match(self, channel: str) -> dict[str, str] | None:
        """Return the value of every variable, or None where the channel does not match."""
        found = self._match(channel)
        return None if found is None else found.groupdict()

    def covers(self, other: Pattern) -> bool:
        """Tell whether every channel that matches the other pattern also matches this one."""
        return len(self.segments) == len(other.segments) and all(
            mine.covers(theirs) for mine, theirs in zip(self.segments, other.segments, strict=True)
        )


def _expression(segment: Segment) -> str:
    prefix, suffix = re.escape(segment.prefix), re.escape(segment.suffix)
    return f"{prefix}(?P<{segment.variable}>[^.]+){suffix}" if segment.variable else prefix


class Claim(NamedTuple):
    """
    One claim that a rule asks for.

    Attributes:
        name: Name of the claim; where the token has no claim of that name, dots in it lead into
            nested objects (`realm_access.roles`).
        value: What it must be. Text may hold variables of the pattern.
        variables: Names of the variables in `value`.
    """

    name: str
    value: str | bool
    variables: tuple[str, ...] = ()

    def wanted(self, variables: Mapping[str, str]) -> str | bool:
        """Return the value with the variables put in."""
        if not self.variables or isinstance(self.value, bool):
            return self.value
        return self.value.format_map(variables)

    def holds(self, claims: Mapping[str, object], variables: Mapping[str, str]) -> bool:
        """
        Tell whether a token's claims have this one.

        Numbers and text compare as text, so `100` and `"100"` are one. A list holds when one of
        its members does. `true` and `false` equal only themselves, never text. Null, objects,
        fractions and lists within lists equal nothing.
        """
        have = find_claim(claims, self.name)
        wanted = self.wanted(variables)
        if isinstance(have, list):
            return any(_equal(member, wanted) for member in have)
        return _equal(have, wanted)


class Rule(NamedTuple):
    """
    Claims that a token must carry, all of them; without claims, any valid token will do.

    Attributes:
        claims: The claims.
        place: Where the rule stands.
    """

    claims: tuple[Claim, ...]
    place: Place

    def allows(self, claims: Mapping[str, object], variables: Mapping[str, str]) -> bool:
        """Tell whether a token with these claims satisfies the rule."""
        return all(claim.holds(claims, variables) for claim in self.claims)

    def unmet(
        self, claims: Mapping[str, object], variables: Mapping[str, str]
    ) -> tuple[Claim, ...]:
        """Return the claims that the token lacks."""
        return tuple(claim for claim in self.claims if not claim.holds(claims, variables))

    def covers(self, other: Rule) -> bool:
        """Tell whether every token that satisfies the other rule also satisfies this one."""
        return set(self.claims) <= set(other.claims)


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One pattern of `channels.yaml` and what holds for its channels.

    Attributes:
        pattern: The names it is about.
        place: Where it stands.
        description: What its messages say, for a person.
        retention: How much of each channel is kept.
        max_message_bytes: Size of a message at most.
        public: Whether reading needs no token.
        subscribe: Rules for reading, alternatives to each other.
        publish: Rules for publishing over a public transport, alternatives to each other.
        slow_reader: What a subscriber gets that reads too slowly.
    """

    pattern: Pattern
    place: Place
    description: str = ""
    retention: Retention = DEFAULT_RETENTION
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    public: bool = False
    subscribe: tuple[Rule, ...] = ()
    publish: tuple[Rule, ...] = ()
    slow_reader: SlowPolicy = SlowPolicy.CATCH_UP

    def rules(self, action: Action) -> tuple[Rule, ...]:
        """Return the rules for an action."""
        return self.subscribe if action == "subscribe" else self.publish


class Match(NamedTuple):
    """
    The entry that a channel falls under.

    Attributes:
        entry: The first entry whose pattern matches.
        variables: The value of each of the pattern's variables.
    """

    entry: Entry
    variables: Mapping[str, str]

    @property
    def retention(self) -> Retention:
        """How much of the channel is kept."""
        return self.entry.retention

    @property
    def max_message_bytes(self) -> int:
        """Size of a message at most."""
        return self.entry.max_message_bytes


def find_claim(claims: Mapping[str, object], name: str) -> object:
    """Return a claim by its name, else by its name as a path into nested objects, else None."""
    if name in claims or "." not in name:
        return claims.get(name)
    return _descend(claims, name.split("."))


def _descend(claims: Mapping[str, object], path: Iterable[str]) -> object:
    found: object = claims
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _equal(have: object, wanted: str | bool) -> bool:
    if isinstance(have, bool) or isinstance(wanted, bool):
        return have is wanted
    if isinstance(have, float) and have.is_integer() and abs(have) <= _SAFE_INTEGER:
        have = int(have)
    return isinstance(have, str | int) and str(have) == wanted
