"""The descriptions of both listeners, held against a running broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
import re

import aiohttp
import pytest

from broker.api.openapi.about import ASSETS
from broker.api.openapi.documents import asyncapi, described
from tests.support.broker import BrokerProcess
from tests.support.browser import Browser
from tests.support.markdown import ROOT
from tests.support.shell import Shell

RULES = """\
version: 1
mounts:
  - standard
  - {path: /news, mode: nchan_publisher, delete: true}
  - {path: /quiet, mode: publisher, fixed: [a], info: false, body: json}
  - {path: /numbers, mode: statistics, scope: node}
defaults: {history: {messages: 20}}
channels:
  - {name: "{a}", subscribe: public}
  - {name: "{a}.{b}", subscribe: public}
"""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "negative_data_rejection",
)
DEADLINE_S = 110.0

ENDLESS = "followChannel"
"""An operation whose answer never ends; tests/integration/test_follow.py asks for it."""


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[BrokerProcess]:
    """Give a broker on which nearly every name is that of a channel."""
    (tmp_path / "channels.yaml").write_text(RULES)
    flags = ("--store", "memory:", "--drain-s", "0", "--config", str(tmp_path / "channels.yaml"))
    async with BrokerProcess(*flags) as running:
        yield running


async def test_every_route_is_described_and_every_description_is_a_route(
    broker: BrokerProcess,
) -> None:
    """Paths and methods of `/openapi.json` are those that the listener itself names."""
    async with aiohttp.ClientSession(broker.internal) as http:
        async with http.get("/nothing") as answer:
            detail = (await answer.json(content_type=None))["detail"]
        routes = detail.partition("there is: ")[2].split(", ")
        told = described(())["paths"]
        assert sorted(told) == sorted(routes)
        for path in routes:
            concrete = re.sub(r"\{\w+\}", "x", path)
            async with http.options(concrete) as answer:
                assert 405 == answer.status
                allowed = set(answer.headers["Allow"].split(", ")) - {"HEAD"}
            methods = {each.upper() for each in told[path] if each != "parameters"}
            assert allowed == methods, path


async def test_every_mount_is_described_with_its_methods(broker: BrokerProcess) -> None:
    """What a mount names in `Allow` is what `/openapi.json` says of it."""
    own = described(())["paths"]
    async with aiohttp.ClientSession(broker.internal) as http:
        async with http.get("/openapi.json") as answer:
            told = (await answer.json())["paths"]
        mounts = told.keys() - own.keys()
        assert {"/pub", "/channels-stats", "/news/{channels}", "/quiet"} <= mounts
        assert {"/numbers", "/numbers/{channels}"} <= mounts
        for path in mounts:
            async with http.request("TRACE", re.sub(r"\{\w+\}", "x", path)) as answer:
                assert 405 == answer.status
                allowed = set(answer.headers["Allow"].split(", ")) - {"HEAD"}
            methods = {each.upper() for each in told[path] if each != "parameters"}
            assert allowed == methods, path


async def test_the_document_and_its_viewer_are_served(broker: BrokerProcess) -> None:
    """The page may load its own files and nothing else; each of them is there."""
    async with aiohttp.ClientSession(broker.internal) as http:
        async with http.get("/docs") as answer:
            assert "text/html" == answer.content_type
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        for name, content_type in ASSETS.items():
            async with http.get(f"/docs/{name}") as answer:
                assert (200, content_type) == (answer.status, answer.content_type)
        async with http.get("/docs/..%2Fabout.py") as answer:
            assert 404 == answer.status
        async with http.get("/asyncapi.json") as answer:
            assert asyncapi() == await answer.json()


async def test_a_person_sees_the_document(browser: Browser, broker: BrokerProcess) -> None:
    """In a real browser, under its strict policy, the viewer shows every operation."""
    shown = "document.querySelector('rapi-doc').shadowRoot.textContent"
    async with browser.page() as page:
        await page.goto(f"{broker.internal}/docs")
        await page.until(f"{shown}.includes('Store one message')", DEADLINE_S)
        text = await page.run(shown)
        assert [] == page.errors
    summaries = [
        operation["summary"]
        for path in described()["paths"].values()
        for operation in path.values()
        if "summary" in operation
    ]
    assert [] == [summary for summary in summaries if summary not in text]


async def test_every_public_path_of_the_asyncapi_document_answers(broker: BrokerProcess) -> None:
    """Each address is one of the public listener, and what it says is what was described."""
    addresses = {each["address"] for each in asyncapi()["channels"].values()}
    async with aiohttp.ClientSession(broker.public) as http:
        async with http.get("/nothing") as answer:
            detail = (await answer.json(content_type=None))["detail"]
        named = set(re.findall(r"/[a-z]+/\{channels\}", detail))
        assert named <= addresses
        for address in addresses:
            async with http.head(address.replace("{channels}", "a.b")) as answer:
                assert answer.status in {200, 304, 405, 426}, address


async def test_requests_made_from_the_document_are_answered_as_it_says(
    tmp_path: Path, broker: BrokerProcess
) -> None:
    """Hundreds of requests, good and bad ones: no answer but those that are described."""
    command = (
        f"schemathesis run {broker.internal}/openapi.json --phases examples,coverage,fuzzing "
        f"--checks {','.join(CHECKS)} --max-examples 5 --seed 1 --no-color --warnings off "
        f"--exclude-operation-id {ENDLESS}"
    )
    hooks = {
        "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
    }
    with Shell(command, tmp_path, hooks) as run:
        assert 0 == await run.ended(DEADLINE_S), run.out
        assert 200 < int(re.findall(r"(\d+) generated", run.out)[0])
