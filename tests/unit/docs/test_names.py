"""Names in the documentation are names of the code, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import re

import pytest

from broker.api.headers import EVENT_ID, EVENT_TYPE, IDEMPOTENCY_KEY, IF_MATCH
from broker.catalog.mounts.kinds import KINDS
from broker.cli.verbs import VERBS
from broker.metrics import METRICS
from broker.migration.table import GUARDS, TABLE, TAKEN
from broker.settings import SETTINGS
from docs.pages.cli import parser
from docs.pages.errors import errors
from tests.support.markdown import PAGES, ROOT, blocks, code_words, invocations, read

REFERENCE = ROOT / "docs" / "reference"

MOUNT_KEYS = {key for kind in KINDS for keys in kind.keys.values() for key in keys}
"""Keys of mounts."""

OTHER_VARIABLES = {"BROKER_TOKEN", "BROKER_API_KEY"}
"""Variables of the command line that are no settings."""

OTHER_SNAKES = {
    *("auth_token", "app_id", "user_id", "event_id", "event_type"),  # of requests and rules
    *("issued_before",),  # of revocations
    *("error_message", "retry_after", "expires_at"),  # of answers
    *("worker_connections", "worker_rlimit_nofile"),  # nginx
    *("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"),  # of the store's URL
    *("channel_created", "channel_destroyed"),  # events of channels
    *("client_subscribed", "client_unsubscribed"),
    *("published_messages", "stored_messages", "active_subscribers"),  # of statistics
    "last_event_id",  # of nchan's clients
    *("last_message_id", "nchan_publisher", "message_ttl"),  # of mounts for publishers
    *("max_message", "slow_reader", "catch_up"),  # of channel rules
}
"""Words with an underscore that are no settings."""

SNAKE = re.compile(r"[a-z]+(?:_[a-z]+)+")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
MAKE = re.compile(r"\bmake ([a-z][a-z0-9]*)")


def name(page: Path) -> str:
    """Return a page's path in the tree."""
    return str(page.relative_to(ROOT))


def commands(page: Path) -> Iterator[str]:
    """Yield what stands in code on a page: words between backticks, lines of shell."""
    yield from code_words(page)
    for block in blocks(page):
        if block.language in {"console", "sh"}:
            yield from block.text.splitlines()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    """`BROKER_…` variables are those of settings; so are words such as `drain_s`."""
    variables = set(re.findall(r"\bBROKER_[A-Z_]+\b", read(page)))
    assert set() == variables - {setting.env for setting in SETTINGS.values()} - OTHER_VARIABLES
    snakes = {word for word in code_words(page) if SNAKE.fullmatch(word) and word[:5] != "test_"}
    known = SETTINGS.keys() | METRICS.keys() | TABLE.keys() | GUARDS | TAKEN.keys() | MOUNT_KEYS
    assert set() == snakes - known - OTHER_SNAKES


def test_every_setting_is_in_the_reference() -> None:
    """The page of settings has a heading for each, and none besides."""
    headings = re.findall(r"^### `(\w+)`$", read(REFERENCE / "settings.md"), re.MULTILINE)
    assert list(SETTINGS) == headings


def test_every_metric_is_in_the_reference() -> None:
    """The page of metrics has a heading for each, and none besides, with its kind and help."""
    text = read(REFERENCE / "metrics.md")
    assert list(METRICS) == re.findall(r"^### `(\w+)`$", text, re.MULTILINE)
    for metric in METRICS.values():
        assert f"### `{metric.name}`\n\n{metric.kind.value}" in text
        assert metric.help in text


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_verb_that_is_named_exists(page: Path) -> None:
    """`broker VERB` names a verb of the command line, and its options are options of it."""
    for command in commands(page):
        for verb, words in invocations(command):
            assert verb in VERBS
            own = parser(verb).format_help()
            assert [] == [option for option in OPTION.findall(words) if option not in own]


def test_every_verb_is_in_the_reference() -> None:
    """The page of the command line has a heading for each verb, and none besides."""
    headings = re.findall(r"^## `broker (\w+)`$", read(REFERENCE / "cli.md"), re.MULTILINE)
    assert list(VERBS) == headings


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_error_that_is_named_exists(page: Path) -> None:
    """An error's URN ends with the slug of a class."""
    named = set(re.findall(r"urn:broker:error:([a-z-]+)", read(page)))
    assert set() == named - errors().keys()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_verb_that_is_named_exists(page: Path) -> None:
    """`make VERB` is a target of the Makefile."""
    named = {verb for command in commands(page) for verb in MAKE.findall(command)}
    assert set() == named - makefile_verbs()


def test_every_make_verb_is_documented() -> None:
    """The page for contributors names each target."""
    page = ROOT / "docs" / "contributing.md"
    named = {verb for command in commands(page) for verb in MAKE.findall(command)}
    assert set() == makefile_verbs() - named - {"help"}


@pytest.mark.parametrize("header", [IDEMPOTENCY_KEY, EVENT_ID, EVENT_TYPE, IF_MATCH])
def test_every_header_of_publishers_is_documented(header: str) -> None:
    """The page of endpoints names each header that publishing reads."""
    assert f"`{header}`" in read(REFERENCE / "endpoints.md")


def makefile_verbs() -> set[str]:
    """Return the targets that the Makefile describes."""
    lines = re.findall(r"^([a-z0-9 ]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {verb for line in lines for verb in line.split()}
