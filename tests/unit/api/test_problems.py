"""Refusals of the internal listener."""

from __future__ import annotations

import json

from aiohttp import web
import pytest

from broker.api.call import Call
from broker.api.problems import answer, problem
from broker.api.router import Endpoint, WrongMethod
from broker.core.errors import (
    BadBody,
    BrokerError,
    InternalError,
    StoreUnavailable,
    Unauthorized,
)


async def _answer(_: Call) -> web.Response:
    return web.Response()


def _members(response: web.Response) -> dict[str, object]:
    assert isinstance(response.body, bytes)
    members: dict[str, object] = json.loads(response.body)
    return members


def test_a_refusal_is_a_problem_document() -> None:
    """Status, type, title and detail stand in the body, with what the error knows beside them."""
    error = BadBody("it is wrong", field="message", limit=3, nearest="right")
    error.within("line 4", 2)
    response = problem(error)
    assert 400 == response.status
    assert "application/problem+json" == response.headers["Content-Type"]
    assert {
        "type": "urn:broker:error:bad-body",
        "title": "Malformed body",
        "status": 400,
        "detail": "line 4: it is wrong",
        "field": "message",
        "limit": 3,
        "nearest": "right",
        "index": 2,
    } == _members(response)


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (Unauthorized("no key"), "WWW-Authenticate", "Bearer"),
        (StoreUnavailable("no store"), "Retry-After", "1"),
        (WrongMethod(Endpoint("/publish", {"POST": _answer})), "Allow", "POST"),
    ],
)
def test_headers_that_a_status_asks_for(error: BrokerError, header: str, value: str) -> None:
    """401, 503 and 405 carry the headers that RFC 9110 asks for."""
    assert value == problem(error).headers[header]


def test_a_failure_names_its_request() -> None:
    """The id under which the log tells more stands in the body."""
    members = _members(problem(InternalError("failed"), "0123"))
    assert "urn:broker:request:0123" == members["instance"]


def test_nothing_is_cached_or_guessed() -> None:
    """Every answer forbids caching and sniffing."""
    headers = answer(b"{}").headers
    assert "no-store" == headers["Cache-Control"]
    assert "nosniff" == headers["X-Content-Type-Options"]
