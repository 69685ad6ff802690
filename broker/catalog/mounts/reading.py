"""From the list `mounts` to mounts."""

from __future__ import annotations

from collections.abc import Iterable

from broker.catalog.document import Broken, Node, Scalar, Table, member
from broker.catalog.mounts.kind import MountKind, Site
from broker.catalog.mounts.kinds import KINDS, standard_mounts
from broker.catalog.mounts.values import MountValues
from broker.catalog.problems import Problem, suggest
from broker.core.channels import shown
from broker.core.mounts import Mount, SubscriberMount, wish_for

MAX_MOUNTS = 200
"""Mounts of one file."""

STANDARD = "standard"
"""The member that stands for everything that is served where nothing else is said."""

_SITE_KEYS = ("path", "mode", "description", "argument", "fixed")
_MODES = {mode: kind for kind in KINDS for mode in kind.keys}
_ALL_KEYS = tuple(
    dict.fromkeys(key for kind in KINDS for keys in kind.keys.values() for key in keys)
)


def read_mounts(node: Node | None, problems: list[Problem]) -> tuple[Mount, ...]:
    """
    Read every mount.

    Args:
        node: The list; None where the file has none.
        problems: Takes everything that is wrong.
    """
    if node is None:
        return standard_mounts()
    return _Reader(MountValues(problems)).listing(node)


class _Reader:
    """Reads the list, member by member."""

    def __init__(self, values: MountValues) -> None:
        self._values = values
        self._report = values.report

    def listing(self, node: Node) -> tuple[Mount, ...]:
        mounts: list[Mount] = []
        for item in self._values.listing(node, "mounts", MAX_MOUNTS):
            if isinstance(item, Scalar) and not item.is_null:
                mounts += self._word(item)
            else:
                mount = self._mount(item)
                if mount is not None:
                    mounts.append(mount)
        self._check_paths(mounts)
        return tuple(mounts)

    def _word(self, item: Scalar) -> Iterable[Mount]:
        if item.text != STANDARD:
            self._report(
                item.place,
                f"a mount is a mapping or the word {STANDARD}, not {shown(item.text)};"
                f" {suggest(item.text, [STANDARD])}",
            )
            return ()
        return standard_mounts()

    def _mount(self, node: Node) -> Mount | None:
        kind, mode = self._kind(node)
        if kind is None:
            return None
        table = self._values.table(node, f"a mount of mode {mode}", _SITE_KEYS + kind.keys[mode])
        if "path" not in table:
            self._report(node.place, "the mount has no path")
        path = self._values.path(table.get("path", Broken(node.place)))
        site = Site(path, mode, table["path"].place if path else node.place)
        if "description" in table:
            site = site._replace(
                description=self._values.words(table["description"], "description")
            )
        if "argument" in table:
            site = site._replace(argument=self._values.argument(table["argument"], "argument"))
        if "fixed" in table:
            site = site._replace(fixed=self._values.names(table["fixed"], "fixed"))
            if "argument" in table:
                self._report(table["fixed"].place, "a mount has either argument or fixed")
        mount = kind.read(self._values, site, table)
        return mount if path else None

    def _kind(self, node: Node) -> tuple[MountKind | None, str]:
        """Return the kind of a mount, which decides what keys it may have."""
        mode = member(node, "mode")
        if mode is None:
            self._values.table(node, "a mount", _SITE_KEYS + _ALL_KEYS)
            if isinstance(node, Table):
                self._report(node.place, f"the mount has no mode; allowed: {', '.join(_MODES)}")
            return None, ""
        name = self._values.choice(mode, "mode", tuple(_MODES))
        return (None, "") if name is None else (_MODES[name], name)

    def _check_paths(self, mounts: Iterable[Mount]) -> None:
        seen: dict[tuple[str, str, str], Mount] = {}
        for mount in mounts:
            wish = wish_for(mount.mode) if isinstance(mount, SubscriberMount) else ""
            key = _MODES[mount.mode].listener, mount.path, wish
            other = seen.setdefault(key, mount)
            if other is not mount:
                self._report(
                    mount.place, f"the path {mount.path} is already given at {other.place}"
                )
