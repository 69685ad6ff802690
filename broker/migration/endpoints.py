"""The places of a configuration that answer subscribers and publishers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from broker.migration.configuration import Directive

FAMILIES = ("push_stream_", "nchan_", "push_")
"""How the names of the modules' directives begin."""

ROLES = frozenset({
    "push_stream_subscriber",
    "push_stream_publisher",
    "push_stream_channels_statistics",
    "nchan_subscriber",
    "nchan_subscriber_location",
    "nchan_publisher",
    "nchan_publisher_location",
    "nchan_pubsub",
    "nchan_pubsub_location",
    "nchan_group_location",
    "nchan_stub_status",
    "nchan_subscriber_info",
    "push_subscriber",
    "push_publisher",
})  # fmt: skip
"""Directives that make a location answer; those behind it inherit none of them."""

_REPEATED = frozenset({"allow", "deny", "add_header", "nchan_redis_server"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    A location, or a whole server, that a module answers.

    Attributes:
        block: The `location` or `server`.
        server: The server it stands in, where one is around it.
        roles: What makes it answer, in its order.
        directives: What holds there, its own and what it inherits; the nearest of each name.
        conditions: Its `if` blocks.
    """

    block: Directive
    server: Directive | None
    roles: tuple[Directive, ...]
    directives: Mapping[str, tuple[Directive, ...]]
    conditions: tuple[Directive, ...] = ()

    def find(self, *names: str) -> Directive | None:
        """Return what holds under the first of several names that is there."""
        return next((self.directives[name][0] for name in names if name in self.directives), None)

    def value(self, *names: str) -> str:
        """Return the first word of what holds under a name, empty where nothing does."""
        found = self.find(*names)
        return found.value if found else ""

    def is_on(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self.value(name) == "on"


@dataclass(frozen=True, slots=True)
class _Level:
    """What holds at one level of the tree."""

    server: Directive | None = None
    holds: Mapping[str, tuple[Directive, ...]] = field(default_factory=dict)

    def within(self, block: Directive) -> _Level:
        holds = dict(self.holds)
        holds.update(_named(block.children))
        server = block if block.name == "server" else self.server
        return _Level(server, holds)


def is_ours(name: str) -> bool:
    """Tell whether a directive belongs to one of the modules."""
    return name.startswith(FAMILIES)


def find_endpoints(directives: tuple[Directive, ...]) -> Iterator[Endpoint]:
    """
    Yield every endpoint, in the order of the files.

    Args:
        directives: The outermost directives of a configuration.
    """
    yield from _within(directives, _Level(holds=dict(_named(directives))))


def _within(directives: tuple[Directive, ...], level: _Level) -> Iterator[Endpoint]:
    for block in directives:
        if block.block is None or block.name in {"if", "upstream", "types", "map"}:
            continue
        inner = level.within(block)
        roles = tuple(each for each in block.children if each.name in ROLES)
        if roles:
            conditions = tuple(each for each in block.children if each.name == "if")
            yield Endpoint(block, inner.server, roles, inner.holds, conditions)
        yield from _within(block.children, inner)


def _named(directives: tuple[Directive, ...]) -> dict[str, tuple[Directive, ...]]:
    """Return directives without blocks by name; the last of a name counts, but of lists all."""
    found: dict[str, tuple[Directive, ...]] = {}
    for each in directives:
        if each.block is None and each.name not in ROLES:
            before = found.get(each.name, ()) if each.name in _REPEATED else ()
            found[each.name] = (*before, each)
    return found
