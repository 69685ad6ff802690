"""The descriptions of both listeners, as they stand in files beside this one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
import inspect

from aiohttp import hdrs
import yaml

from broker import __version__
from broker.api.call import Handler
from broker.api.openapi.mounts import mounted
from broker.api.router import Endpoint
from broker.core.mounts import Mount
from broker.core.publisher_mounts import STANDARD_PUBLISHERS

FOLDER = Path(__file__).parent

Document = dict[str, Any]

_REFUSED = {"$ref": "#/components/responses/Refused"}
_METHODS = {hdrs.METH_GET, hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_DELETE, hdrs.METH_PATCH}


def described(mounts: Iterable[Mount] = STANDARD_PUBLISHERS) -> Document:
    """
    Return the description of the internal listener as it was written.

    Args:
        mounts: Those of the listener.
    """
    document = _load("openapi.yaml")
    items = _read("mounts.yaml")
    for kind, parts in items.pop("components").items():
        document["components"][kind] |= parts
    document["paths"] |= mounted(mounts, items)
    return document


def openapi(
    endpoints: Iterable[Endpoint], mounts: Iterable[Mount] = STANDARD_PUBLISHERS
) -> Document:
    """
    Return the description of the internal listener, with every route that it has.

    Args:
        endpoints: The routes; one that was not described gets what its handler says of itself.
        mounts: Its mounts.
    """
    document = described(mounts)
    for endpoint in endpoints:
        path = document["paths"].setdefault(endpoint.path, {})
        for method in _METHODS & endpoint.methods.keys():
            if method.lower() not in path:
                path[method.lower()] = _operation(endpoint, endpoint.methods[method])
    return document


def asyncapi() -> Document:
    """Return the description of the public listener."""
    return _load("asyncapi.yaml")


def _load(name: str) -> Document:
    document = _read(name)
    document["info"]["version"] = __version__
    return document


def _read(name: str) -> Document:
    document: Document = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return document


def _operation(endpoint: Endpoint, handler: Handler) -> Document:
    operation: Document = {
        "summary": (inspect.getdoc(handler) or endpoint.path).partition("\n")[0],
        "responses": {"200": {"description": "Done."}, "4XX": _REFUSED},
    }
    _, brace, variable = endpoint.path.partition("{")
    if brace:
        name = variable.partition("}")[0]
        schema = {"type": "string"}
        operation["parameters"] = [{"name": name, "in": "path", "required": True, "schema": schema}]
    if endpoint.keyless:
        operation["security"] = []
    return operation
