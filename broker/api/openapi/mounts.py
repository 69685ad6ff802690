"""The mounts of the internal listener, as OpenAPI describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from broker.core.mounts import BUILT_IN, Mount
from broker.core.publisher_mounts import Bodies, PublisherMount

PathItem = dict[str, Any]

_NAMES = "channels"
"""The variable of a path that lists channels."""

_PUBLISHING = ("post", "put")
_METHODS = {"delete", "get", "options", *_PUBLISHING}

_BODIES: Mapping[Bodies, frozenset[str]] = {
    "auto": frozenset({"application/json", "text/plain"}),
    "json": frozenset({"application/json"}),
    "text": frozenset({"text/plain"}),
}
"""Types of bodies that are described for a mount that takes them so."""

_NO_STATE = {
    "description": "It is stored; the answer is empty.",
    "content": {"text/plain": {"schema": {"type": "string", "maxLength": 0}}},
}


def mounted(mounts: Iterable[Mount], items: Mapping[str, PathItem]) -> dict[str, PathItem]:
    """
    Return the path items of mounts, by their paths.

    What a mount says of its channels is not told: neither fixed ones, nor prefixes and patterns.

    Args:
        mounts: Those of the internal listener.
        items: What there is for each mode, with a first parameter that names channels.
    """
    paths: dict[str, PathItem] = {}
    for mount in mounts:
        item = _item(mount, items[mount.mode])
        if mount.is_exact or not _names(item)["required"]:
            paths[mount.path] = _with_names(item, mount.argument)
        if not mount.is_exact:
            paths[f"{mount.path}/{{{_NAMES}}}"] = _with_names(item, "", in_path=True)
    return paths


def _item(mount: Mount, item: PathItem) -> PathItem:
    """Return what a mount answers, whatever names its channels."""
    made = deepcopy(item)
    if isinstance(mount, PublisherMount):
        if not mount.delete:
            del made["delete"]
        for method in _PUBLISHING:
            _adapt(made[method], mount)
    if mount.place is not BUILT_IN:  # names must be unique, and are those of the usual paths
        for method in _METHODS & made.keys():
            made[method].pop("operationId", None)
    return made


def _adapt(operation: PathItem, mount: PublisherMount) -> None:
    """Make of publishing what it is at a mount."""
    content = operation["requestBody"]["content"]
    operation["requestBody"]["content"] = {
        name: content[name] for name in content if name in _BODIES[mount.body]
    }
    if not mount.info:
        responses = operation["responses"]
        for status in responses.keys() & {"200", "201", "202"}:
            responses[status] = _NO_STATE


def _names(item: PathItem) -> dict[str, Any]:
    names: dict[str, Any] = item["parameters"][0]
    return names


def _with_names(item: PathItem, argument: str, *, in_path: bool = False) -> PathItem:
    """Return a path item whose channels are named by an argument, by the path, or by nobody."""
    made = deepcopy(item)
    names, *others = made["parameters"]
    made["parameters"] = others
    if in_path:
        del names["allowReserved"]  # a word of queries
        others.insert(0, {**names, "name": _NAMES, "in": "path", "required": True})
    elif argument:
        for method in _METHODS & made.keys() - {"options"}:  # that names methods, whoever asks
            operation = made[method]
            named = {**names, "name": argument}
            made[method] = {**operation, "parameters": [named, *operation.get("parameters", ())]}
    return made
