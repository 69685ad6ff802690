"""Names in the documentation are names of the code, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
import re

import pytest

from broker.api.headers import EVENT_ID, EVENT_TYPE, IDEMPOTENCY_KEY, IF_MATCH
from broker.api.openapi.documents import asyncapi, described
from broker.catalog.entries import _ENTRY_KEYS, _HISTORY_KEYS
from broker.catalog.mounts.kinds import KINDS
from broker.cli.options import KEY_VARIABLE, TOKEN_VARIABLE
from broker.cli.verbs import VERBS
from broker.metrics import METRICS
from broker.migration.table import GUARDS, TABLE, TAKEN
from broker.settings import SETTINGS
from docs.pages.cli import parser
from docs.pages.errors import errors
from tests.support.markdown import PAGES, ROOT, blocks, code_words, invocations, prose, read

REFERENCE = ROOT / "docs" / "reference"

OTHERS = [
    ROOT / name
    for name in (
        "benchmarks/README.md", "clients/js/README.md", "deploy/nginx/README.md",
        "tests/chaos/README.md",
    )
]  # fmt: skip
"""Pages beside the documentation; they are held to names, but are no part of the site."""

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

OTHER_KEBABS = {
    *("nginx-light", "libnginx-mod-nchan", "redis-server"),  # packages
    *("down-after-milliseconds", "cluster-node-timeout"),  # of the store
    *("jwt-secret", "long-polling", "x-forwarded-for"),  # a file, a mode, a header
    "clock-steps",  # of the chaos suite
}
"""Words with a hyphen that name neither an error nor an event of the log."""

OTHER_OPTIONS = {
    *("--data-binary", "--retry", "--retry-delay", "--retry-connrefused"),  # curl
    *("--read-only", "--tmpfs", "--build", "--quiet", "--adapter"),  # docker, caddy
    *("--from-literal", "--now", "--bind", "--directory"),  # kubectl, systemctl, http.server
    *("--experimental-websocket", "--io-uring"),  # Node; this project's own tests
    *("--rate", "--peers", "--quick", "--also", "--results"),  # examples/publisher; benchmarks
    "--version",  # of no verb
}
"""Options of other programs."""

UPSTREAMS = {"broker_public", "broker_internal"}
"""Names in configurations of nginx that begin like those of metrics."""

SNAKE = re.compile(r"([a-z]+(?:_[a-z]+)+)(?:=.*)?")
KEBAB = re.compile(r"[a-z]+(?:-[a-z]+)+")
SHELLS = {"console", "sh", "text"}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
METRIC = re.compile(r"\bbroker_[a-z_]+\b")
EVENT = re.compile(r'\bevent\(\s*"([a-z-]+)"')
ENDPOINT = re.compile(r"(GET|HEAD|POST|PUT|DELETE|OPTIONS) (/[^\s?`]*)")
TYPED = re.compile(r"(?:^|[;|] |=\S+ )(broker [a-z]+ .*)")
AMOUNT = re.compile(r"(\d[\d,.]*)(?: (s|[KMG]iB)\w*)?(?: \w+){0,2}\s\(`([a-z_]+)`\)")
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
        elif block.language == "text" and not block.text.startswith("broker is ready"):
            for line in block.text.splitlines():
                yield from TYPED.findall(line.strip())


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    """`BROKER_…` variables are those of settings; so are words such as `drain_s`."""
    variables = set(re.findall(r"\bBROKER_[A-Z_]+\b", read(page)))
    assert set() == variables - {setting.env for setting in SETTINGS.values()} - OTHER_VARIABLES
    matches = filter(None, map(SNAKE.fullmatch, code_words(page)))
    snakes = {found[1] for found in matches if found[1][:5] != "test_"}
    known = SETTINGS.keys() | METRICS.keys() | TABLE.keys() | GUARDS | TAKEN.keys() | MOUNT_KEYS
    assert set() == snakes - known - OTHER_SNAKES


def test_every_setting_is_in_the_reference() -> None:
    """The page of settings has a heading for each, and none besides."""
    headings = re.findall(r"^### `(\w+)`$", read(REFERENCE / "settings.md"), re.MULTILINE)
    assert list(SETTINGS) == headings


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_default_that_is_told_is_one(page: Path) -> None:
    """`25 s (`longpoll_timeout_s`)` is what holds where nobody says otherwise."""
    for amount, unit, word in AMOUNT.findall(prose(page)):
        if word in SETTINGS:
            setting = SETTINGS[word]
            text = amount.replace(",", "")
            told = {text, f"{text}{unit}"}
            assert told & {setting.kind.show(setting.default), setting.default_text}, word


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=name)
def test_every_metric_that_is_named_exists(page: Path) -> None:
    """Whatever begins with `broker_`, also in a block, is a metric or a series of one."""
    named = {re.sub(r"_(bucket|count|sum)$", "", word) for word in METRIC.findall(read(page))}
    assert set() == named - METRICS.keys() - UPSTREAMS


def test_every_metric_is_in_the_reference() -> None:
    """The page of metrics has a heading for each, and none besides, with its kind and help."""
    text = read(REFERENCE / "metrics.md")
    assert list(METRICS) == re.findall(r"^### `(\w+)`$", text, re.MULTILINE)
    for metric in METRICS.values():
        assert f"### `{metric.name}`\n\n{metric.kind.value}" in text
        assert metric.help in text


def test_every_key_of_channel_rules_is_documented() -> None:
    """A key of an entry stands on the page of rules, a key of a mount on one of those of mounts."""
    rules = {part for word in code_words(REFERENCE / "channels.md") for part in word.split(".")}
    assert set() == {*_ENTRY_KEYS, *_HISTORY_KEYS} - rules
    mounts = read(REFERENCE / "mounts.md") + read(REFERENCE / "push-stream.md")
    told = set(re.findall(r"`(\w+)[`:]|^ +(?:- )?(\w+): ", mounts, re.MULTILINE))
    assert set() == MOUNT_KEYS - {word for words in told for word in words}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_verb_that_is_named_exists(page: Path) -> None:
    """`broker VERB` names a verb of the command line, and its options are options of it."""
    for command in commands(page):
        for verb, words in invocations(command):
            assert verb in VERBS
            own = parser(verb).format_help()
            assert [] == [option for option in OPTION.findall(words) if option not in own]


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=name)
def test_every_option_that_is_named_exists(page: Path) -> None:
    """An option is one of some verb, also where it stands alone."""
    texts = [*code_words(page), *(each.text for each in blocks(page) if each.language in SHELLS)]
    named = {option for text in texts for option in OPTION.findall(text)}
    known = {option for verb in VERBS for option in OPTION.findall(parser(verb).format_help())}
    assert set() == named - known - OTHER_OPTIONS


def test_every_verb_is_in_the_reference() -> None:
    """The page of the command line has a heading for each verb, and none besides."""
    headings = re.findall(r"^## `broker (\w+)`$", read(REFERENCE / "cli.md"), re.MULTILINE)
    assert list(VERBS) == headings


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "serve"])
def test_every_option_is_in_the_reference(verb: str) -> None:
    """The section of a verb names each of its options, and no option of others."""
    _, _, rest = read(REFERENCE / "cli.md").partition(f"\n## `broker {verb}`\n")
    rows = re.findall(r"^\| `(--[a-z-]+)", rest.partition("\n## ")[0], re.MULTILINE)
    own = {option for action in parser(verb)._actions for option in action.option_strings}
    assert {option for option in own if option.startswith("--")} - {"--help"} == set(rows)


def test_variables_of_the_command_line_are_documented() -> None:
    """Variables that are no settings stand on the page of the command line."""
    assert OTHER_VARIABLES == {TOKEN_VARIABLE, KEY_VARIABLE}
    for variable in OTHER_VARIABLES:
        assert variable in read(REFERENCE / "cli.md")


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=name)
def test_every_error_that_is_named_exists(page: Path) -> None:
    """A URN ends with the slug of an error; a word with hyphens is one, or an event of the log."""
    named = set(re.findall(r"urn:broker:error:([a-z-]+)", read(page)))
    assert set() == named - errors().keys()
    words = {word for word in code_words(page) if KEBAB.fullmatch(word)}
    assert set() == words - errors().keys() - log_events() - OTHER_KEBABS


def test_every_event_of_the_log_is_documented() -> None:
    """The page of logs has each event that a line may name, and none besides."""
    _, _, rest = read(ROOT / "docs" / "production" / "logs.md").partition("| `event` | Facts |")
    cells = re.findall(r"^\| (`.*?`) \|", rest.partition("\n\n")[0], re.MULTILINE)
    assert log_events() == {word for cell in cells for word in re.findall(r"`([a-z-]+)`", cell)}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_endpoint_that_is_named_exists(page: Path) -> None:
    """`GET /channels` is a path of a listener, and answers this method."""
    for word in code_words(page):
        for method, path in ENDPOINT.findall(word):
            assert method in methods_of(path), f"{method} {path}"


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


@cache
def log_events() -> set[str]:
    """Return the names of events that the code logs."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "broker").rglob("*.py"))
    return {event for source in sources for event in EVENT.findall(source)}


@cache
def endpoints() -> dict[str, set[str]]:
    """Return the paths of both listeners, each with its methods."""
    found = {
        path: {method.upper() for method in item} for path, item in described()["paths"].items()
    }
    public = [each["address"] for each in asyncapi()["channels"].values()]
    found |= {address: {"GET", "HEAD", "OPTIONS"} for address in public}
    return found | {"/client.js": {"GET"}}


def methods_of(path: str) -> set[str]:
    """Return the methods that a path answers, which may name channels in place of a variable."""
    known = endpoints()
    if path in known or "{" in path:
        return known.get(path, set())
    heads = {each.partition("{")[0]: methods for each, methods in known.items() if "{" in each}
    return next((heads[head] for head in heads if path.startswith(head)), set())


def makefile_verbs() -> set[str]:
    """Return the targets that the Makefile describes."""
    lines = re.findall(r"^([a-z0-9 ]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {verb for line in lines for verb in line.split()}
