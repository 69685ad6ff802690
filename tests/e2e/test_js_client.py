"""The client for JavaScript: its own tests, on node; and the file that brokers serve."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from aiohttp import ClientSession
import pytest

from broker.assets import load_asset
from tests.support.broker import BrokerProcess
from tests.support.node_js import run_node_tests

TESTS = Path(__file__).parents[2] / "clients" / "js" / "tests"


def test_d9_d49_the_parts_of_the_client() -> None:
    """Cursors, envelopes, streams, waits, tokens, addresses."""
    run_node_tests(TESTS / "unit.test.js", 60)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_p2_p3_the_client_and_a_real_broker() -> None:
    """Every transport, over cut wires, restarts, revocations and silence; exact counts."""
    run_node_tests(TESTS / "live.test.js", 220)


async def test_the_broker_serves_the_client(shared_broker: BrokerProcess) -> None:
    """Pages of any origin may import it, and browsers ask whether it has changed."""
    asset = load_asset("client.js")
    async with ClientSession() as session:
        url = f"{shared_broker.public}/client.js"
        async with session.get(url) as answer:
            assert HTTPStatus.OK == answer.status
            assert asset.body == await answer.read()
            assert "text/javascript; charset=utf-8" == answer.headers["Content-Type"]
            assert "*" == answer.headers["Access-Control-Allow-Origin"]
            assert "no-cache" == answer.headers["Cache-Control"]
            etag = answer.headers["ETag"]
        for known in (etag, f'"x", W/{etag}'):
            async with session.get(url, headers={"If-None-Match": known}) as answer:
                assert HTTPStatus.NOT_MODIFIED == answer.status
        async with session.get(f"{url}/more") as answer:
            assert HTTPStatus.NOT_FOUND == answer.status
            assert "/client.js" in (await answer.json())["nearest"]
