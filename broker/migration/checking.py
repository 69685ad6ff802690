"""Mounts that the broker would not take, found before anything is written."""

from __future__ import annotations

from collections.abc import Mapping

from broker.catalog import Catalog, CatalogError
from broker.core.rules import Place
from broker.migration.draft import Draft
from broker.migration.writing import rules

Refused = Mapping[tuple[Place, str], str]
"""Why the broker would refuse a mount, by its location and its mode."""


def find_refused(draft: Draft) -> Refused:
    """
    Return which mounts the broker would refuse, and why.

    Args:
        draft: What a migration made.
    """
    refused: dict[tuple[Place, str], str] = {}
    for mount in draft.mounts:
        try:
            Catalog.parse(rules(Draft(mounts=[mount]), "", "public"))
        except CatalogError as exc:
            reasons = "; ".join(problem.message for problem in exc.problems)
            refused[mount.place, mount.mode] = f"the broker takes no such mount: {reasons}"
    return refused
