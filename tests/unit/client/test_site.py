"""What answers mean that are not the ones that were hoped for."""

from __future__ import annotations

from multidict import CIMultiDict
import orjson
import pytest

from broker.client.errors import Blocked, ClientError, Lost, Refused, Unauthorized
from broker.client.site import header_cursor, verdict
from broker.core.cursor import Cursor
from broker.core.errors import (
    BrokerError,
    ChannelForbidden,
    Draining,
    TokenExpired,
    TooMany,
    TooManyChannels,
)
from broker.protocols.pushstream.answers import PROBLEM_TYPE, refusal_body, refusal_headers


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TokenExpired("the token has expired"), Unauthorized),
        (ChannelForbidden("no channel is allowed"), Refused),
        (TooManyChannels("51 channels are too many"), Refused),
        (TooMany("too many connections"), Lost),
        (Draining("this node is about to stop"), Lost),
    ],
)
@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize("with_body", [False, True])
def test_the_brokers_refusals_are_understood(
    error: BrokerError, kind: type[ClientError], blocked: bool, with_body: bool
) -> None:
    """With its body or, as at a handshake, without; a refusal never looks like a blocked way."""
    headers = {"Content-Type": PROBLEM_TYPE, **refusal_headers(error, 23.4)}
    body = refusal_body(error) if with_body else b""
    meant = verdict(int(error.status), headers, body, blocked=blocked)
    assert kind is type(meant)
    assert str(error) in str(meant)
    if isinstance(meant, Lost):
        assert 24.0 == meant.retry_after_s


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 405, 426])
def test_another_servers_answer_blocks_a_transport(status: int) -> None:
    """What no broker said does not refuse the client; the next transport may get through."""
    html = {"Content-Type": "text/html"}
    assert isinstance(verdict(status, html, b"<html>", blocked=True), Blocked)
    if status >= 300:
        assert isinstance(verdict(status, html, b"<html>"), Refused)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_a_passing_failure_is_tried_again(status: int) -> None:
    """Errors of proxies in between pass, whoever says them."""
    assert isinstance(verdict(status, {"Content-Type": "text/html"}, blocked=True), Lost)


def test_a_problem_that_cannot_be_read_is_a_refusal_all_the_same() -> None:
    """A body that is cut off leaves the status."""
    headers = {"Content-Type": PROBLEM_TYPE, "Retry-After": "Sat, 14 Nov 2015 15:51:54 GMT"}
    meant = verdict(403, headers, b'{"detail":')
    assert "Forbidden (403)" == str(meant)


def test_a_refusal_keeps_the_problem() -> None:
    """Whoever catches it can look at every member."""
    body = orjson.dumps(TooManyChannels("51 are too many", field="channels", limit=50).problem())
    meant = verdict(400, {"Content-Type": PROBLEM_TYPE}, body)
    assert isinstance(meant, Refused)
    assert (50, "channels") == (meant.problem["limit"], meant.problem["field"])


def test_d44_the_cursor_of_a_poll_is_in_its_headers() -> None:
    """`ETag` and `Last-Modified` are read as the broker writes them."""
    date = "Sat, 14 Nov 2015 15:51:54 GMT"
    headers = CIMultiDict({"ETag": "W/21", "Last-Modified": date})
    assert Cursor(1_447_516_314, 21) == header_cursor(headers)
    assert header_cursor({}) is None
