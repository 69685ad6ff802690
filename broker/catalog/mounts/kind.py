"""The kinds of mounts: which keys each one has, and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from broker.catalog.document import Node
from broker.catalog.mounts.values import MountValues
from broker.core.mounts import Mount
from broker.core.rules import Place


class Site(NamedTuple):
    """
    What every mount has.

    Attributes:
        path: Its path, without a slash at its end.
        mode: What it serves.
        place: Where it stands.
        description: For people.
        argument: Query argument that lists the channels, or empty.
        fixed: The channels, or none.
    """

    path: str
    mode: str
    place: Place
    description: str = ""
    argument: str = ""
    fixed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MountKind:
    """
    One kind of mounts.

    Attributes:
        listener: Where it is served, `public` or `internal`; two mounts of one listener cannot
            have the same path.
        keys: Its own keys, by mode.
        read: Makes a mount of its site and its own keys, and reports what is wrong.
        standard: Those that the word `standard` stands for.
    """

    listener: str
    keys: Mapping[str, tuple[str, ...]]
    read: Callable[[MountValues, Site, dict[str, Node]], Mount]
    standard: tuple[Mount, ...]
