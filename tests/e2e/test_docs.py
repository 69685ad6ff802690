"""What the documentation says to type works: every block is run, read or listed here as unrun."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
import asyncio
import json
import re
import shutil
import signal
import socket as sockets
import textwrap

import aiohttp
import pytest
import websockets

from broker.catalog import Catalog
from tests.support.broker import BrokerProcess, free_ports
from tests.support.browser import Browser
from tests.support.markdown import PAGES, ROOT, Block, blocks, read
from tests.support.shell import TOOLS, Shell
from tests.support.waiting import eventually

COMMAND_DEADLINE_S = 20.0
START_DEADLINE_S = 30.0

STAYS = "runs until stopped"
"""Comment above a block of shell that does not end by itself."""

LANGUAGES = {"console", "sh", "yaml", "json", "js", "nginx", "text"}

UNRUN = {
    ("README.md", "js", "it needs a browser"),
    ("docs/reference/clients.md", "js", "it needs a page"),
}
"""Blocks with which nothing is done: page, language, reason."""

TREE = ("Makefile", "pyproject.toml", "uv.lock", "channels.yaml")
"""What a clone needs to be served from, beside an environment."""

README = ROOT / "README.md"
ENDPOINTS = ROOT / "docs" / "reference" / "endpoints.md"
CHECKLIST = ROOT / "docs" / "production" / "checklist.md"

BLOCKS = [block for page in PAGES for block in blocks(page)]
REFUSED = "urn:broker:error:"


def of(language: str, page: Path | None = None) -> list[Block]:
    """Return the blocks of a language that are not marked as unrun, of one page or of all."""
    pages = [page] if page else PAGES
    found = [block for each in pages for block in blocks(each)]
    return [block for block in found if block.language == language and not block.unrun]


def pages_with(language: str) -> list[Path]:
    """Return the pages that have such blocks."""
    return list(dict.fromkeys(block.page for block in of(language)))


def name(page: Path) -> str:
    """Return a page's path in the tree."""
    return str(page.relative_to(ROOT))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Give a copy of the tree whose environment is the one of the tests, up to date."""
    for file in TREE:
        shutil.copy(ROOT / file, tmp_path)
    venv = tmp_path / ".venv"
    venv.mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (venv / part).symlink_to(TOOLS.parent / part)
    (venv / ".synced").touch()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


# --- blocks that are read --------------------------------------------------------------------


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_it_is(block: Block) -> None:
    """Each block has a language that these tests know."""
    assert block.language in LANGUAGES


def test_what_is_not_run_is_listed_here() -> None:
    """No block stops being run unnoticed."""
    unrun = {(name(block.page), block.language, block.unrun) for block in BLOCKS if block.unrun}
    assert UNRUN == unrun


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    """A block of JSON can be parsed."""
    assert json.loads(block.text)


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_channel_rules_hold_no_mistake(block: Block) -> None:
    """A block of rules, or of entries of them, is taken by the catalogue."""
    text = block.text
    if not text.startswith("version:"):
        text = "version: 1\nchannels:\n" + textwrap.indent(textwrap.dedent(text), "  ")
    assert Catalog.parse(text).entries


# --- blocks that are run ---------------------------------------------------------------------


@pytest.mark.parametrize("page", pages_with("sh"), ids=name)
async def test_every_command_works(page: Path, clone: Path, broker: BrokerProcess) -> None:
    """The commands of a page, in their order, end well beside a running broker."""
    with ExitStack() as running:
        staying = []
        for block in of("sh", page):
            text = _here(block.text, broker)
            if STAYS in block.comments:
                shell = running.enter_context(Shell(text, clone, _env(broker)))
                staying.append(shell)
                await shell.spoken(COMMAND_DEADLINE_S)
            else:
                await _finish(text, clone, broker)
        assert [None for _ in staying] == [shell.code for shell in staying]


async def test_what_the_readme_follows_shows_what_it_publishes(
    clone: Path, broker: BrokerProcess
) -> None:
    """`tail` shows both messages of the next block, and goes on over a restart of the broker."""
    follow, publish = [_here(block.text, broker) for block in of("sh", README)[:2]]
    with Shell(follow, clone, _env(broker)) as tail:
        await eventually(lambda: "connected" in tail.err, COMMAND_DEADLINE_S)
        await _finish(publish, clone, broker)
        await eventually(lambda: 2 == tail.out.count("\n"), COMMAND_DEADLINE_S)
        await broker.restart()
        await _finish(publish, clone, broker)
        await eventually(lambda: 4 == tail.out.count("\n"), COMMAND_DEADLINE_S)
        bodies = [json.loads(line.split(maxsplit=3)[3])["body"] for line in tail.out.splitlines()]
        assert ["hello", "hello again"] * 2 == bodies


async def test_what_the_readme_publishes_is_seen_in_a_browser(
    clone: Path, broker: BrokerProcess, browser: Browser
) -> None:
    """The page whose address is printed connects, and shows both messages."""
    _, publish, show = [_here(block.text, broker) for block in of("sh", README)[:3]]
    [port] = free_ports(1)
    with Shell(show.replace("8000", str(port)), clone, _env(broker)) as serving:
        await eventually(lambda: _listens(port), COMMAND_DEADLINE_S, what="the page is served")
        [address] = re.findall(r"^http://\S+#\S+$", serving.out, re.MULTILINE)
        async with browser.page() as page:
            await page.goto(f"{address}&broker={broker.public}")
            await page.until("document.body.innerText.includes('connected')", START_DEADLINE_S)
            await _finish(publish, clone, broker)
            await page.until("document.body.innerText.includes('hello again')", START_DEADLINE_S)
            assert "2" == await page.text("#received")
            assert [] == page.errors


@pytest.mark.parametrize("page", pages_with("console"), ids=name)
async def test_every_verb_of_make_is_one(page: Path, clone: Path) -> None:
    """`make` knows what the consoles of a page show; it says what it would do, and does nothing."""
    for line in "".join(block.text for block in of("console", page)).splitlines():
        assert line.startswith("$ make ")
        with Shell(f"make --dry-run {line.removeprefix('$ make ')}", clone, {}) as shell:
            assert 0 == await shell.ended(COMMAND_DEADLINE_S), shell.err


async def test_make_run_serves_and_its_lines_work_as_they_stand(clone: Path) -> None:
    """A newcomer's first minute: `make run`, the two lines that it prints, Ctrl-C."""
    assert "$ make run\n" in {block.text for block in of("console", README)}
    public, internal = (f"127.0.0.1:{port}" for port in free_ports(2))
    environ = {"BROKER_PUBLIC": public, "BROKER_INTERNAL": internal}
    with Shell("make run", clone, environ) as serving:
        await eventually(
            lambda: "/publish/" in serving.out or serving.code is not None,
            START_DEADLINE_S,
            what="make run serves",
        )
        shown = next(block.text for block in of("text", README))
        assert _at(shown, public, internal) in serving.out
        subscribe, publish = re.findall(r"^  (curl .*)$", serving.out, re.MULTILINE)
        with Shell(subscribe, clone, {}) as waiting:
            await eventually(lambda: _has_sessions(internal, 1), what="the poll is held")
            with Shell(publish, clone, {}) as publishing:
                assert 0 == await publishing.ended(COMMAND_DEADLINE_S)
            assert 0 == await waiting.ended(COMMAND_DEADLINE_S)
            assert {"body": "hello"} == json.loads(waiting.out)["message"]
        serving.signal(signal.SIGTERM)
        await serving.ended(START_DEADLINE_S)
        assert "stopping" in serving.err
    assert (clone / "data" / "jwt-secret").is_file()


# --- what else the pages say -----------------------------------------------------------------


async def test_every_internal_path_is_documented(broker: BrokerProcess) -> None:
    """The page of endpoints has each path that the internal listener knows."""
    async with aiohttp.ClientSession() as http, http.get(f"{broker.internal}/nothing") as answer:
        problem = await answer.json(content_type=None)
    paths = problem["detail"].partition("there is: ")[2].split(", ")
    assert "/publish" in paths
    assert [] == [path for path in paths if f" {path}" not in read(ENDPOINTS)]


async def test_a_refusal_looks_as_it_is_shown(broker: BrokerProcess) -> None:
    """The page of endpoints shows, member for member, what an expired token gets."""
    shown = next(block.text for block in of("json", ENDPOINTS) if "token-expired" in block.text)
    url = f"{broker.public}/shortpoll/ping?auth_token={broker.token(-60)}"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert json.loads(shown) == await answer.json(content_type=None)


async def test_the_proxy_of_the_checklist_passes_everything_on(
    tmp_path: Path, broker: BrokerProcess
) -> None:
    """Behind nginx, set up as shown, every transport gets what is published."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    [port] = free_ports(1)
    [block] = of("nginx", CHECKLIST)
    (tmp_path / "nginx.conf").write_text(NGINX % (port, _here(block.text, broker)))
    channel = f"conversation_reply.100.7?auth_token={broker.token(app_id='100')}"
    with Shell("exec nginx -p . -c nginx.conf -e stderr", tmp_path, {}):
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            await eventually(lambda: _listens(port), COMMAND_DEADLINE_S, what="nginx listens")
            async with (
                websockets.connect(f"ws://127.0.0.1:{port}/websocket/{channel}") as socket,
                http.get(f"/eventsource/{channel}") as events,
            ):
                await _publish(broker, 1)
                envelope = json.loads(await socket.recv())
                assert 1 == envelope["message"]
                while b'"message":1' not in await events.content.readline():
                    assert 200 == events.status
            await eventually(lambda: _has_sessions(_place(broker.internal), 0))
            place = {"If-None-Match": envelope["tag"], "If-Modified-Since": envelope["time"]}
            poll = asyncio.create_task(_poll(http, f"/longpoll/{channel}", place))
            await eventually(lambda: _has_sessions(_place(broker.internal), 1))
            await _publish(broker, 2)
            assert 2 == (await poll)["message"]


NGINX = """\
daemon off; master_process off; pid nginx.pid;
events { worker_connections 64; }
http {
    access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {
        listen 127.0.0.1:%d;
%s
    }
}
"""


def _here(text: str, broker: BrokerProcess) -> str:
    """Return commands with the addresses of a broker instead of the default ones."""
    return _at(text, _place(broker.public), _place(broker.internal))


def _at(text: str, public: str, internal: str) -> str:
    return text.replace("127.0.0.1:8080", public).replace("127.0.0.1:8081", internal)


def _place(url: str) -> str:
    return url.removeprefix("http://")


def _env(broker: BrokerProcess) -> dict[str, str]:
    return {
        "BROKER_PUBLIC": _place(broker.public),
        "BROKER_INTERNAL": _place(broker.internal),
        "BROKER_DATA": str(broker.data),
    }


async def _finish(text: str, directory: Path, broker: BrokerProcess) -> None:
    """Run commands to their end, which must be a good one."""
    with Shell(text, directory, _env(broker)) as shell:
        assert 0 == await shell.ended(COMMAND_DEADLINE_S), f"{text}: {shell.err}"
        assert REFUSED not in shell.out, f"{text}: {shell.out}"


async def _publish(broker: BrokerProcess, message: int) -> None:
    url = f"{broker.internal}/publish/conversation_reply.100.7"
    async with aiohttp.ClientSession() as http, http.post(url, json=message) as answer:
        assert 200 == answer.status


async def _poll(http: aiohttp.ClientSession, url: str, place: dict[str, str]) -> dict[str, object]:
    async with http.get(url, headers=place) as answer:
        assert 200 == answer.status
        envelope: dict[str, object] = json.loads(await answer.text())
        return envelope


async def _has_sessions(internal: str, count: int) -> bool:
    async with aiohttp.ClientSession() as http, http.get(f"http://{internal}/stats") as answer:
        sessions: int = (await answer.json())["sessions"]
        return sessions == count


def _listens(port: int) -> bool:
    with closing(sockets.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
