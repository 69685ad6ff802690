"""`broker revoke` against a running node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple
import asyncio
import json
import time

import pytest

from broker.cli.main import main
from broker.core.cursor import MAX_TIME, http_date
from broker.core.revocations import Revocation
from broker.settings import ApiKey, Secret
from tests.support.node import RunningNode, running_node
from tests.support.stores import free_port

CHANNEL = "closed.a"


class Said(NamedTuple):
    """What the command did: its exit code, what it printed, what it complained about."""

    code: int
    out: str
    err: str


Run = Callable[..., Awaitable[Said]]


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningNode]:
    """Run a node that the environment names."""
    async with running_node() as running:
        monkeypatch.setenv("BROKER_INTERNAL", running.internal)
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs the command beside the loop."""

    async def in_thread(*words: str) -> Said:
        code = await asyncio.to_thread(main, ["revoke", *words])
        return Said(code, *capsys.readouterr())

    return in_thread


def holding(node: RunningNode, tenant: str = "main") -> list[Revocation]:
    """Return what is revoked."""
    return node.node.patrol.in_force(tenant)


async def test_a_subject_is_revoked_p9(node: RunningNode, run: Run) -> None:
    """Its tokens are refused from then on, and the command says until when."""
    token = node.token(sub="7", role="reader")
    assert 304 == (await node.poll([CHANNEL], None, token)).status
    said = await run("--sub", "7", "--until", "4000000000")
    assert (0, "") == (said.code, said.err)
    until = http_date(4_000_000_000)
    assert f"revoked until {until}: tenant main, sub 7\n" == said.out
    assert 401 == (await node.poll([CHANNEL], None, token)).status


async def test_every_option_is_sent(node: RunningNode, run: Run) -> None:
    """Ids, tenants and times reach the broker as they were meant."""
    assert "for good: tenant main, jti a" in (await run("--jti", "a", "--until", "never")).out
    said = await run("--tenant", "shop", "--issued-before", "2023-11-14T22:13:20Z")
    assert f"tenant shop, issued_before {http_date(1_700_000_000)}" in said.out
    began = time.time()
    await run("--sub", "7", "--issued-before", "now", "--until", "1h")
    [one, two] = sorted(holding(node), key=lambda each: each.jti)
    assert Revocation("main", MAX_TIME, jti="a") == two
    assert "7" == one.sub
    assert one.issued_before is not None
    assert 0 < one.issued_before - began < 60
    assert 3540 < one.until - began < 3660
    [other] = holding(node, "shop")
    assert ("", "", 1_700_000_000) == other[2:]


async def test_the_answer_can_be_printed(node: RunningNode, run: Run) -> None:
    """`--json` prints what the broker answers, refusals too."""
    said = await run("--json", "--sub", "7")
    assert "7" == json.loads(said.out)["revoked"]["sub"]
    said = await run("--json", "--jti", "a", "--sub", "7")
    assert (1, "jti") == (said.code, json.loads(said.out)["field"])
    assert "leave sub" in said.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "--jti, --sub"),
        (("--until", "1h"), "--jti, --sub"),
        (("--sub", "7", "--until", "soon"), "--until soon"),
        (("--issued-before", "1h"), "--issued-before 1h"),
        (("--sub", "7", "--url", "ftp://x"), "ftp://x"),
    ],
)
async def test_what_cannot_be_meant_is_not_sent_p9(
    node: RunningNode, run: Run, words: tuple[str, ...], says: str
) -> None:
    """A wrong command line ends with exit code 2, and nothing is revoked."""
    said = await run(*words)
    assert (2, "") == (said.code, said.out)
    assert says in said.err
    assert [] == holding(node)


async def test_keys_and_addresses_p9(
    node: RunningNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key is sent from the environment, a bound one revokes for its tenant alone."""
    assert 4 == (await run("--sub", "7", "--url", f"127.0.0.1:{free_port()}")).code
    keys = (ApiKey("shop", Secret("a-key-for-the-shop"), "shop"),)
    async with running_node(api_keys=keys) as guarded:
        where = ("--url", guarded.internal)
        assert 1 == (await run("--sub", "7", *where)).code
        monkeypatch.setenv("BROKER_API_KEY", "a-key-for-the-shop")
        assert 1 == (await run("--tenant", "main", *where)).code
        assert 0 == (await run("--sub", "7", *where)).code
        assert [] == holding(guarded)
        assert ["7"] == [each.sub for each in holding(guarded, "shop")]
    assert [] == holding(node)
