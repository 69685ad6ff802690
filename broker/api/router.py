"""Paths and methods of the internal listener."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from aiohttp import hdrs

from broker.api.call import Handler
from broker.core.channels import shown
from broker.core.errors import MethodNotAllowed, UnknownPath


class Endpoint(NamedTuple):
    """
    One path and what it answers.

    Attributes:
        path: The path as it is documented: `/channels/{channel}/messages`; the variable takes
            everything, slashes included.
        methods: Handlers by method; HEAD is answered where GET is.
        keyless: Whether no key is asked for.
    """

    path: str
    methods: Mapping[str, Handler]
    keyless: bool = False


class WrongMethod(MethodNotAllowed):
    """
    The endpoint does not answer this method.

    Attributes:
        headers: What the answer must carry (RFC 9110, section 15.5.6).
    """

    def __init__(self, endpoint: Endpoint) -> None:
        allowed = sorted(endpoint.methods)
        if hdrs.METH_GET in endpoint.methods:
            allowed.append(hdrs.METH_HEAD)
        names = ", ".join(allowed)
        super().__init__(f"{endpoint.path} answers {names}", field="method")
        self.headers = {hdrs.ALLOW: names}


class Router:
    """
    Finds what answers a request.

    Args:
        endpoints: Every endpoint.
    """

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._paths: list[str] = []
        self._exact: dict[str, Endpoint] = {}
        self._below: dict[str, list[tuple[str, Endpoint]]] = {}
        for endpoint in endpoints:
            self._paths.append(endpoint.path)
            head, brace, rest = endpoint.path.partition("{")
            if brace:
                below = self._below.setdefault(head.strip("/"), [])
                below.append((rest.partition("}")[2], endpoint))
            else:
                self._exact[endpoint.path] = endpoint
        for below in self._below.values():  # the longer ending is the more particular
            below.sort(key=lambda item: len(item[0]), reverse=True)

    @property
    def paths(self) -> Sequence[str]:
        """Every documented path."""
        return self._paths

    def find(self, path: str) -> tuple[Endpoint, str]:
        """
        Find the endpoint of a path.

        Args:
            path: The path of a request, still percent-encoded, without its query.

        Returns:
            The endpoint, and what the path says in the place of its variable.

        Raises:
            UnknownPath: There is none; the error names the nearest.
        """
        endpoint = self._exact.get(path)
        if endpoint is not None:
            return endpoint, ""
        head, slash, rest = path[1:].partition("/")
        if slash and path[0] == "/":
            for ending, endpoint in self._below.get(head, ()):
                if not ending or (len(rest) > len(ending) and rest.endswith(ending)):
                    return endpoint, rest[: len(rest) - len(ending)]
        raise self._unknown(path, head)

    def handler(self, endpoint: Endpoint, method: str) -> Handler:
        """
        Return what answers a method.

        Raises:
            WrongMethod: Nothing does; the error names the methods that are answered.
        """
        handler = endpoint.methods.get(hdrs.METH_GET if method == hdrs.METH_HEAD else method)
        if handler is None:
            raise WrongMethod(endpoint)
        return handler

    def _unknown(self, path: str, head: str) -> UnknownPath:
        heads = {known.split("/")[1]: known for known in reversed(self._paths)}
        near = get_close_matches(head[:40], heads, n=1)
        return UnknownPath(
            f"there is nothing at {shown(path)}; subscribers have a listener of their own, here "
            f"there is: {', '.join(self._paths)}",
            field="path",
            nearest=heads[near[0]] if near else None,
        )
