"""Paths and methods of the internal listener."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.api.call import Call
from broker.api.router import Endpoint, Router, WrongMethod
from broker.core.errors import UnknownPath


async def _answer(_: Call) -> web.Response:
    return web.Response()


ROUTER = Router(
    [
        Endpoint("/publish", {"POST": _answer}),
        Endpoint("/publish/{channels}", {"POST": _answer}),
        Endpoint("/channels/{channel}", {"GET": _answer, "DELETE": _answer}),
        Endpoint("/channels/{channel}/messages", {"GET": _answer}),
        Endpoint("/healthz", {"GET": _answer}),
    ]
)


@pytest.mark.parametrize(
    ("path", "endpoint", "rest"),
    [
        ("/publish", "/publish", ""),
        ("/publish/", "/publish/{channels}", ""),
        ("/publish/a", "/publish/{channels}", "a"),
        ("/publish/a/b%2Fc/", "/publish/{channels}", "a/b%2Fc/"),
        ("/channels/a", "/channels/{channel}", "a"),
        ("/channels/a/messages", "/channels/{channel}/messages", "a"),
        ("/channels/messages", "/channels/{channel}", "messages"),
        ("/channels/messages/messages", "/channels/{channel}/messages", "messages"),
        ("/healthz", "/healthz", ""),
    ],
)
def test_paths_lead_to_endpoints(path: str, endpoint: str, rest: str) -> None:
    """The longer path is the more particular one; the variable takes the rest as it stands."""
    found, said = ROUTER.find(path)
    assert (endpoint, rest) == (found.path, said)


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/publsh", "/publish"),
        ("/publish2/a", "/publish"),
        ("/chanel/a", "/channels/{channel}"),
        ("/health", "/healthz"),
        ("/", None),
        ("", None),
        ("*", None),
        ("xpublish/a", None),
        ("//publish/a", None),
    ],
)
def test_an_unknown_path_is_refused_with_the_nearest(path: str, nearest: str | None) -> None:
    """A path that is nothing names what it may have meant."""
    with pytest.raises(UnknownPath) as caught:
        ROUTER.find(path)
    if nearest or path in {"", "*", "/"}:
        assert nearest == caught.value.nearest


def test_head_is_answered_where_get_is() -> None:
    """HEAD has the handler of GET."""
    endpoint, _ = ROUTER.find("/healthz")
    assert ROUTER.handler(endpoint, "HEAD") is ROUTER.handler(endpoint, "GET")


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/publish/a", "GET", "POST"),
        ("/publish/a", "HEAD", "POST"),
        ("/channels/a", "POST", "DELETE, GET, HEAD"),
        ("/healthz", "OPTIONS", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_refused_with_the_right_ones(
    path: str, method: str, allowed: str
) -> None:
    """The refusal carries Allow, as RFC 9110 has it."""
    endpoint, _ = ROUTER.find(path)
    with pytest.raises(WrongMethod) as caught:
        ROUTER.handler(endpoint, method)
    assert {"Allow": allowed} == caught.value.headers
    assert 405 == caught.value.status


@given(st.text())
def test_any_path_is_found_or_refused(path: str) -> None:
    """Whatever the path, it leads to an endpoint or is refused as unknown."""
    with suppress(UnknownPath):
        ROUTER.find(path)
