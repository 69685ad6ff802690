"""Single directives, as their rows carry them over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.migration.configuration import read_configuration
from broker.migration.draft import Draft, Fate
from broker.migration.migrate import migrate
from broker.migration.writing import rules

Carry = Callable[[str], Draft]


@pytest.fixture
def carry(tmp_path: Path) -> Carry:
    """Return a function that migrates a configuration."""

    def run(text: str) -> Draft:
        file = tmp_path / "nginx.conf"
        file.write_text(text)
        return migrate(read_configuration(file))

    return run


def mounts(draft: Draft) -> list[dict[str, Any]]:
    """Return the mounts that would be written."""
    found: list[dict[str, Any]] = yaml.safe_load(rules(draft, "nginx.conf", "public"))["mounts"]
    return found


def last(draft: Draft) -> tuple[Fate, str, str]:
    """Return what became of the last directive."""
    finding = draft.findings[-1]
    return finding.fate, finding.became, finding.why


def reader(modes: str, directive: str) -> str:
    """Return a location of nchan for subscribers, with a directive."""
    return f"location /s {{ nchan_subscriber {modes}; nchan_channel_id a; {directive}; }}"


def writer(directive: str) -> str:
    """Return a location of nchan for publishers, with a directive."""
    return f"location /p {{ nchan_publisher; nchan_channel_id a; {directive}; }}"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        (reader("longpoll", "nchan_subscriber_timeout 20"), "hold", "20s"),
        (reader("websocket", "nchan_subscriber_timeout 1h"), "ttl", "1h"),
        (
            reader("eventsource", "nchan_subscriber_last_message_id $http_x $arg_from"),
            "cursor",
            {"event_id": "from"},
        ),
        (
            reader("http-raw-stream", 'nchan_subscriber_http_raw_stream_separator "--"'),
            "separator",
            "--\n",
        ),
        (reader("longpoll", "nchan_longpoll_multipart_response on"), "nchan", True),
        (reader("intervalpoll", "nchan_subscribe_existing_channels_only on"), "stored_only", True),
        (writer("nchan_message_timeout 0"), "message_ttl", "30d"),
        (writer("nchan_store_messages off"), "store", False),
        (writer("nchan_channel_id_split_delimiter /"), "fixed", ["a"]),
    ],
)
def test_keys_of_nchan(carry: Carry, text: str, key: str, value: object) -> None:
    """Directives of a location are keys of its mounts."""
    draft = carry(text)
    assert value == mounts(draft)[0][key]
    assert Fate.NONE is not last(draft)[0]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        (reader("websocket", "nchan_websocket_ping_interval 25"), "BROKER_WEBSOCKET_PING_S", "25s"),
        (reader("eventsource", "nchan_eventsource_ping_interval 9"), "BROKER_HEARTBEAT_S", "9s"),
        (reader("", "nchan_max_channel_id_length 8"), "BROKER_MAX_CHANNEL_BYTES", "16"),
        (
            reader("", "nchan_access_control_allow_origin https://a.example"),
            "BROKER_ALLOWED_ORIGINS",
            "https://a.example",
        ),
        (
            reader("", "nchan_access_control_allow_origin $http_origin"),
            "BROKER_ALLOWED_ORIGINS",
            "*",
        ),
        (reader("", "nchan_channel_events_channel_id ev"), "BROKER_EVENTS_CHANNEL", "ev"),
        (reader("", "nchan_redis_url redis://a:1"), "BROKER_STORE", "redis://a:1"),
    ],
)
def test_settings_of_nchan(carry: Carry, text: str, name: str, value: str) -> None:
    """What holds for the whole broker is a setting."""
    assert value == carry(text).settings[name].value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (reader("longpoll", "nchan_channel_id_split_delimiter ,"), "separated by a slash"),
        (writer("nchan_message_buffer_length $arg_n"), "a variable"),
        (writer("nchan_message_timeout $arg_n"), "a variable"),
        (writer("nchan_message_timeout soon"), "'soon' is no time"),
        (reader("longpoll", "nchan_longpoll_multipart_response off"), "in one answer"),
        (writer("nchan_subscriber_timeout 5"), "nothing of this location waits"),
        (reader("longpoll", "nchan_subscriber_last_message_id $http_x"), "from headers"),
        (reader("websocket", "nchan_websocket_ping_interval 0"), "always signs of life"),
        (reader("", "nchan_access_control_allow_origin nowhere"), "no such setting"),
        (reader("", "nchan_redis_pass none"), "no server is named"),
        (reader("", "nchan_redis_url ''"), "no address of a store"),
        (reader("longpoll", "nchan_channel_group $arg_g"), "no endpoint"),
        (reader("", "nchan_channel_events_channel_id $arg_a"), "holds for all"),
    ],
)
def test_what_nchan_has_and_the_broker_has_not(carry: Carry, text: str, why: str) -> None:
    """The reason is told."""
    fate, _, told = last(carry(text))
    assert (Fate.NONE, True) == (fate, why in told), told


@pytest.mark.parametrize(
    ("words", "modes", "remark"),
    [
        ("longpoll intervalpoll", ["longpoll"], ""),
        ("longpoll chunked websocket", ["longpoll", "websocket"], "beside a long poll"),
        ("eventsource multipart-mixed", ["eventsource"], "multipart-mixed is not served"),
    ],
)
def test_ways_that_cannot_share_a_path(
    carry: Carry, words: str, modes: list[str], remark: str
) -> None:
    """A path serves one poll or stream; what is left out is told."""
    draft = carry(f"location /s {{ nchan_subscriber {words}; nchan_channel_id a; }}")
    assert modes == [mount["mode"] for mount in mounts(draft)]
    assert remark in draft.findings[0].why


def test_the_interval_polls_of_the_forerunner(carry: Carry) -> None:
    """The push module's word for short polls."""
    draft = carry("location /s { push_subscriber interval-poll; nchan_channel_id a; }")
    assert "shortpoll" == mounts(draft)[0]["mode"]


def pushstream(role: str, directive: str) -> str:
    """Return a location of push-stream, with a directive."""
    return f"location /s {{ {role}; push_stream_channels_path a; {directive}; }}"


STREAM = "push_stream_subscriber"
POLL = "push_stream_subscriber long-polling"
SOCKET = "push_stream_subscriber websocket"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (pushstream(SOCKET, "push_stream_store_messages off"), "as its channel's rule says"),
        (pushstream(STREAM, "push_stream_allowed_origins ''"), "names no origin"),
        (pushstream(POLL, "push_stream_ping_message_interval 5s"), "nothing of this location"),
        (pushstream(STREAM, "push_stream_header_template_file none"), "cannot be read"),
        (pushstream(STREAM, "push_stream_wildcard_channel_max_qtd 2"), "it needs"),
        (pushstream(STREAM, "push_stream_last_event_id $http_x"), "from headers"),
        (pushstream(STREAM, "push_stream_subscriber_connection_ttl 0"), "switches it off"),
        (
            pushstream(
                POLL,
                "push_stream_longpolling_connection_ttl 5s;"
                " push_stream_subscriber_connection_ttl 9s",
            ),
            "says it for this location",
        ),
    ],
)
def test_what_push_stream_has_and_the_broker_has_not(carry: Carry, text: str, why: str) -> None:
    """The reason is told."""
    fate, _, told = last(carry(text))
    assert (Fate.NONE, True) == (fate, why in told), told


@pytest.mark.parametrize(
    ("text", "became"),
    [
        (pushstream(SOCKET, "push_stream_store_messages on"), "the history of each channel"),
        (pushstream(SOCKET, "push_stream_websocket_allow_publish off"), "publish of"),
        (pushstream(STREAM, "push_stream_allowed_origins $http_origin"), "BROKER_ALLOWED_ORIGINS"),
        (pushstream(STREAM, "push_stream_ping_message_interval 5s"), "BROKER_HEARTBEAT_S=5s"),
        (pushstream("push_stream_publisher", "push_stream_channel_info_on_publish off"), "info of"),
        (
            pushstream(STREAM, "push_stream_allow_connections_to_events_channel off"),
            "nobody reads",
        ),
        (pushstream(STREAM, "push_stream_max_messages_stored_per_channel 7"), "messages: 7"),
    ],
)
def test_what_push_stream_becomes(carry: Carry, text: str, became: str) -> None:
    """The counterpart is named."""
    assert became in last(carry(text))[1]


def test_unknown_ways_to_subscribe(carry: Carry) -> None:
    """A word that the module does not have makes no mount."""
    draft = carry(pushstream("push_stream_subscriber pigeon", "push_stream_user_agent x"))
    assert ([], "pigeon is no way to subscribe") == (draft.mounts, draft.findings[0].why)


def test_a_header_comes_from_its_file(carry: Carry, tmp_path: Path) -> None:
    """The text of the file is copied, line ends and all."""
    (tmp_path / "head").write_bytes(b"a\r\nb\n")
    draft = carry(pushstream(STREAM, "push_stream_header_template_file head"))
    assert "a\r\nb\n" == mounts(draft)[0]["header"]


def test_a_role_outside_of_locations_is_told(carry: Carry) -> None:
    """It answers nothing there."""
    assert "no location is" in last(carry("if ($x) { push_stream_subscriber; }"))[2]


def test_long_directives_are_shortened_for_people(carry: Carry) -> None:
    """A page in a template is no line for a terminal; the whole stands in the JSON."""
    draft = carry(pushstream(STREAM, f"push_stream_footer_template {'x' * 500}"))
    assert 500 < len(draft.findings[-1].directive)
    assert 300 > len(str(draft.findings[-1]))


@pytest.mark.parametrize(
    ("directive", "fate", "why"),
    [
        ("default_type text/html", Fate.SAME, ""),
        ("default_type 'text/html; charset=latin1'", Fate.CHANGED, "everything is UTF-8"),
        ("default_type image/png", Fate.CHANGED, "image/png is not offered"),
        ("gzip on", Fate.SAME, ""),
    ],
)
def test_what_nginx_says_about_answers(carry: Carry, directive: str, fate: Fate, why: str) -> None:
    """The type and the compression of a location's answers are told, too."""
    text = pushstream(STREAM, f"push_stream_message_template '<p>~text~</p>'; {directive}")
    found, _, told = last(carry(text))
    assert (fate, True) == (found, why in told)


def test_guards_of_publishers_stay_in_front(carry: Carry) -> None:
    """The internal listener asks nobody on this machine, so what guarded them must stay."""
    draft = carry(pushstream("push_stream_publisher", "auth_basic staff"))
    assert (Fate.NGINX, "") == last(draft)[:2]
    assert "subscribe" not in mounts(draft)[0]


def test_a_size_that_is_none_counts_as_nginx_s_own(carry: Carry) -> None:
    """A megabyte, as nginx takes where nothing is said."""
    draft = carry(pushstream("push_stream_publisher", "client_max_body_size $x"))
    assert 1024 * 1024 == draft.max_message_bytes


def test_files_that_are_missing_are_told(carry: Carry) -> None:
    """Whatever they hold is not carried over, and nobody should believe that it is."""
    draft = carry("include missing.conf;")
    assert (Fate.NONE, "", True) == (*last(draft)[:2], "no such file here" in last(draft)[2])


def test_unknown_directives_in_locations_are_told(carry: Carry) -> None:
    """Misspelt names too."""
    assert "no version" in last(carry(pushstream(STREAM, "push_stream_nonsense on")))[2]


def test_credentials_are_not_shown(carry: Carry) -> None:
    """What opens a store stands in the settings alone."""
    draft = carry("nchan_redis_password secret; nchan_redis_url redis://u:secret@a:1;")
    assert not [finding for finding in draft.findings if "secret" in repr(finding)]
    assert "redis://u:secret@a:1" == draft.settings["BROKER_STORE"].value
