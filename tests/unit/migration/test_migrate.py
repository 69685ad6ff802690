"""From directives of the modules to mounts, rules and settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
import pytest
import yaml

from broker.catalog import Catalog
from broker.core.mounts import SubscriberMount
from broker.core.publisher_mounts import PublisherMount, StatisticsMount
from broker.migration.configuration import read_configuration
from broker.migration.draft import Draft, Fate, Finding
from broker.migration.migrate import migrate
from broker.migration.proxying import locations
from broker.migration.table import TABLE
from broker.migration.writing import rules, settings
from broker.settings import Settings
from tests.support.migrated import read_environ


def carry(directory: Path, text: str) -> Draft:
    """Migrate a configuration."""
    file = directory / "nginx.conf"
    file.write_text(text)
    return migrate(read_configuration(file))


def document(draft: Draft, access: str = "public") -> Any:
    """Return what would be written into `channels.yaml`, once the broker has taken it."""
    text = rules(draft, "nginx.conf", access)
    Catalog.parse(text)
    return yaml.safe_load(text)


def told(draft: Draft, name: str) -> Finding:
    """Return what became of the only directive of a name."""
    [finding] = [each for each in draft.findings if each.directive.split()[0] == name]
    return finding


PLAIN = """
http {
    push_stream_shared_memory_size 32M;
    push_stream_message_ttl 5m;
    server {
        location /counts { push_stream_channels_statistics; push_stream_channels_path $arg_id; }
        location /pub {
            push_stream_publisher admin;
            push_stream_channels_path $arg_id;
            push_stream_store_messages on;
            client_max_body_size 32k;
        }
        location ~ /sub/(.*) { push_stream_subscriber; push_stream_channels_path $1; }
    }
}
"""


def test_the_broker_takes_what_is_written(tmp_path: Path) -> None:
    """The mounts are those of the locations, in their order."""
    catalog = Catalog.parse(rules(carry(tmp_path, PLAIN), "nginx.conf", "public"))
    statistics, publisher, subscriber = catalog.mounts
    assert isinstance(statistics, StatisticsMount)
    assert isinstance(publisher, PublisherMount)
    assert isinstance(subscriber, SubscriberMount)
    assert ("/counts", "id") == (statistics.path, statistics.argument)
    assert ("/pub", "id", True, True) == (
        *(publisher.path, publisher.argument),
        *(publisher.delete, publisher.store),
    )
    assert ("/sub", "stream", "") == (subscriber.path, subscriber.mode, subscriber.separator)
    assert all(entry.public and entry.retention == (1000, 300) for entry in catalog.entries)


def test_every_directive_of_a_module_is_told(tmp_path: Path) -> None:
    """Nothing is dropped silently: each occurrence has a finding with its place and a text."""
    draft = carry(tmp_path, PLAIN)
    assert PLAIN.count("push_stream_") + 1 == len(draft.findings)
    assert all(finding.became or finding.why for finding in draft.findings)
    assert [3, 4, 6, 6, 8, 9, 10, 11, 13, 13] == [each.place.line for each in draft.findings]


@pytest.mark.parametrize(
    ("words", "mode"),
    [
        ("", "stream"),
        ("streaming", "stream"),
        ("polling", "shortpoll"),
        ("long-polling", "longpoll"),
        ("eventsource", "eventsource"),
        ("websocket", "websocket"),
    ],
)
def test_modes(tmp_path: Path, words: str, mode: str) -> None:
    """Each way to subscribe of the module has its mode, with what the module does unasked."""
    text = f"location ~ /s/(.*) {{ push_stream_subscriber {words}; push_stream_channels_path $1; }}"
    [mount] = document(carry(tmp_path, text))["mounts"]
    assert (mode, "~text~", True) == (mount["mode"], mount["template"], mount["backtrack"])
    assert (mode in {"longpoll", "shortpoll"}) == mount.get("jsonp", False)
    assert (mode in {"stream", "eventsource", "shortpoll"}) == mount.get("mode_header", False)


def subscriber(mode: str, *directives: str) -> str:
    """Return a location of push-stream with directives."""
    inner = " ".join(f"{each};" for each in directives)
    role = f"push_stream_subscriber {mode}; push_stream_channels_path $1;"
    return f"location ~ /s/(.*) {{ {role} {inner} }}"


@pytest.mark.parametrize(
    ("mode", "directive", "key", "value"),
    [
        ("websocket", "push_stream_message_template '{\"t\":~text~}'", "template", '{"t":~text~}'),
        ("streaming", "push_stream_header_template h", "header", "h"),
        ("streaming", "push_stream_footer_template f", "footer", "f"),
        ("streaming", "push_stream_ping_message_text p", "texts", {"ping": "p"}),
        ("streaming", "push_stream_subscriber_connection_ttl 15m", "ttl", "15m"),
        ("long-polling", "push_stream_subscriber_connection_ttl 15s", "hold", "15s"),
        ("long-polling", "push_stream_longpolling_connection_ttl 30s", "hold", "30s"),
        ("long-polling", "push_stream_longpolling_connection_ttl 2h", "hold", "1h"),
        ("long-polling", "push_stream_timeout_with_body on", "timeout_body", True),
        ("polling", "push_stream_authorized_channels_only on", "stored_only", True),
        ("polling", "push_stream_last_received_message_tag $arg_t", "cursor", {"tag": "t"}),
        ("polling", "default_type application/json", "content_type", "application/json"),
        ("polling", "default_type x/y", "content_type", "text/plain"),
        ("polling", "gzip on", "compress", True),
    ],
)
def test_keys_of_subscribers(
    tmp_path: Path, mode: str, directive: str, key: str, value: object
) -> None:
    """Directives of a location are keys of its mount."""
    draft = carry(tmp_path, subscriber(mode, directive))
    [mount] = document(draft)["mounts"]
    assert value == mount[key]
    assert Fate.NONE not in {finding.fate for finding in draft.findings}


def test_the_wildcard_class_needs_its_number(tmp_path: Path) -> None:
    """The prefix and how many of them a request may name are one key."""
    prefix = "push_stream_wildcard_channel_prefix broad_"
    draft = carry(tmp_path, subscriber("", prefix, "push_stream_wildcard_channel_max_qtd 3"))
    assert {"prefix": "broad_", "most": 3} == document(draft)["mounts"][0]["wildcard"]
    draft = carry(tmp_path, subscriber("", prefix))
    assert Fate.NONE is told(draft, "push_stream_wildcard_channel_prefix").fate


def test_settings_are_named_with_the_lines_they_come_from(tmp_path: Path) -> None:
    """What holds for the whole broker is a setting."""
    draft = carry(
        tmp_path,
        subscriber(
            "websocket",
            "push_stream_ping_message_interval 20s",
            "push_stream_allowed_origins 'https://a.example, https://b.example'",
            "push_stream_max_channel_id_length 2000",
            "push_stream_events_channel_id events",
        ),
    )
    lines = settings(draft, "nginx.conf").splitlines()
    assert "BROKER_WEBSOCKET_PING_S=20s" in lines
    assert "BROKER_ALLOWED_ORIGINS=https://a.example,https://b.example" in lines
    assert "BROKER_MAX_CHANNEL_BYTES=1024" in lines
    assert "BROKER_EVENTS_CHANNEL=events" in lines
    at = lines.index("BROKER_EVENTS_CHANNEL=events")
    assert f"# {tmp_path}/nginx.conf:1:" in lines[at - 1]


def test_the_channel_of_events_is_closed_unless_it_was_open(tmp_path: Path) -> None:
    """Its entry comes before those that anybody may read."""
    events = "push_stream_events_channel_id events"
    first = document(carry(tmp_path, subscriber("", events)))["channels"][0]
    assert ("events", None) == (first["name"], first.get("subscribe"))
    opened = "push_stream_allow_connections_to_events_channel on"
    first = document(carry(tmp_path, subscriber("", events, opened)))["channels"][0]
    assert "public" == first["subscribe"]


def test_publishing_over_a_websocket_needs_a_rule(tmp_path: Path) -> None:
    """Channels get a rule that asks for a token, and the difference is told."""
    draft = carry(tmp_path, subscriber("websocket", "push_stream_websocket_allow_publish on"))
    found = document(draft)
    assert found["mounts"][0]["publish"]
    assert all([{}] == entry["publish"] for entry in found["channels"])
    assert Fate.CHANGED is told(draft, "push_stream_websocket_allow_publish").fate


def test_bodies_are_text_unless_a_template_takes_json(tmp_path: Path) -> None:
    """What was posted raw comes out raw; what stands in JSON must be JSON."""
    publisher = "location /p { push_stream_publisher; push_stream_channels_path $arg_id; }"
    assert "text" == document(carry(tmp_path, publisher))["mounts"][0]["body"]
    quoted = subscriber("", 'push_stream_message_template \'{"t":"~text~"}\'')
    assert "text" == document(carry(tmp_path, publisher + quoted))["mounts"][0]["body"]
    bare = subscriber("", "push_stream_message_template '{\"t\":~text~}'")
    assert "json" == document(carry(tmp_path, publisher + bare))["mounts"][0]["body"]
    other = quoted.replace("/s/", "/t/")
    assert "auto" == document(carry(tmp_path, publisher + bare + other))["mounts"][0]["body"]


def test_outer_levels_hold_unless_a_location_says_otherwise(tmp_path: Path) -> None:
    """The nearest directive counts; the outer one is told as unused where nobody needs it."""
    inner = subscriber("", "push_stream_message_template b")
    draft = carry(tmp_path, f"push_stream_message_template a; {inner}")
    assert "b" == document(draft)["mounts"][0]["template"]
    fates = [each.fate for each in draft.findings if "template" in each.directive]
    assert [Fate.NONE, Fate.CHANGED] == fates


def test_conditions(tmp_path: Path) -> None:
    """What a condition adds to the cursor's sources holds always; the rest is told as lost."""
    condition = (
        "if ($arg_q = on) { push_stream_last_received_message_time $arg_time;"
        " push_stream_channels_path x_$1; }"
    )
    text = subscriber("polling").replace(" }", f" {condition} }}")
    draft = carry(tmp_path, text)
    assert {"time": "time"} == document(draft)["mounts"][0]["cursor"]
    fates = [each.fate for each in draft.findings]
    assert [Fate.SAME, Fate.SAME, Fate.CHANGED, Fate.NONE] == fates


def test_what_guards_a_location_stays_with_nginx(tmp_path: Path) -> None:
    """Whatever decides who gets in is named, from outer levels too."""
    text = "server { auth_basic x; server_name y; " + subscriber("", "allow 10.0.0.1", "deny all")
    draft = carry(tmp_path, text + "}")
    guards = {each.directive for each in draft.findings if each.fate is Fate.NGINX}
    assert {"auth_basic x", "allow 10.0.0.1", "deny all"} == guards


@pytest.mark.parametrize(
    ("directive", "closed"),
    [("deny all", True), ("auth_basic x", True), ("auth_basic off", False), ("etag on", False)],
)
def test_what_kept_people_out_is_not_left_open(
    tmp_path: Path, directive: str, closed: bool
) -> None:
    """The mount of a guarded location asks for a token, though its channels are public."""
    [mount] = document(carry(tmp_path, subscriber("", directive)))["mounts"]
    assert closed == ([{}] == mount.get("subscribe"))


def test_whom_an_application_let_in_needs_a_token(tmp_path: Path) -> None:
    """Of a location of nchan that asked an application, too."""
    text = (
        "location /p { nchan_subscriber longpoll; nchan_channel_id a; nchan_authorize_request /x; }"
    )
    [mount] = document(carry(tmp_path, text))["mounts"]
    assert [{}] == mount["subscribe"]


def test_two_locations_of_one_path(tmp_path: Path) -> None:
    """Of two servers with the same path the first one counts, and the second is told."""
    draft = carry(tmp_path, f"server {{ {subscriber('')} }} server {{ {subscriber('')} }}")
    assert 1 == len(draft.mounts)
    [refused] = [each for each in draft.findings if each.directive == "push_stream_subscriber"][1:]
    assert (Fate.NONE, True) == (refused.fate, "is taken by" in refused.why)


def test_a_mount_that_the_broker_refuses_is_told(tmp_path: Path) -> None:
    """A template that cannot be used takes its mount with it, nothing else."""
    bad = subscriber("", "push_stream_message_template '~nonsense~'").replace("/s/", "/bad/")
    draft = carry(tmp_path, bad + subscriber(""))
    assert ["/s"] == [mount["path"] for mount in document(draft)["mounts"]]
    assert "~nonsense~" in draft.findings[0].why


def test_unknown_directives_of_a_family_are_told(tmp_path: Path) -> None:
    """A name that no version has is not passed over."""
    assert (
        Fate.NONE is told(carry(tmp_path, "push_stream_nonsense 1;"), "push_stream_nonsense").fate
    )


def test_access_by_token(tmp_path: Path) -> None:
    """Channels can be opened to whoever has a token, instead of to all."""
    channels = document(carry(tmp_path, PLAIN), "token")["channels"]
    assert all([{}] == entry["subscribe"] for entry in channels)


# --- nchan ---------------------------------------------------------------------------------------


def test_nchan_serves_several_ways_under_one_path(tmp_path: Path) -> None:
    """A location without words is a WebSocket, an event stream and a long poll."""
    text = (
        "location ~ /sub/(\\w+)$ { nchan_subscriber; nchan_channel_id $1; nchan_channel_group g; }"
    )
    draft = carry(tmp_path, text)
    mounts = draft.mounts
    assert ["websocket", "eventsource", "longpoll"] == [mount.mode for mount in mounts]
    assert {"/sub"} == {mount.path for mount in mounts}
    assert {"g."} == {mount.keys["prefix"] for mount in mounts}


@pytest.mark.parametrize(
    ("words", "backlog"),
    [("", True), ("nchan_subscriber_first_message newest;", False)],
)
def test_nchan_begins_with_the_oldest_message(tmp_path: Path, words: str, backlog: bool) -> None:
    """Unless a location says otherwise; a number has no counterpart."""
    text = f"location /s {{ nchan_subscriber longpoll; nchan_channel_id a; {words} }}"
    [mount] = document(carry(tmp_path, text))["mounts"]
    assert backlog == mount.get("backlog", False)
    draft = carry(tmp_path, text.replace("}", "nchan_subscriber_first_message 3; }"))
    assert Fate.NONE is draft.findings[-1].fate


def test_nchan_publishers(tmp_path: Path) -> None:
    """Buffers and times are the mount's, and bound what is kept."""
    text = """location = /pub { nchan_publisher; nchan_channel_id $arg_id;
        nchan_message_buffer_length 50; nchan_message_timeout 5m; }
        location = /other { nchan_publisher http; nchan_channel_id $arg_id;
        nchan_message_buffer_length 20; nchan_message_timeout 10m; nchan_store_messages off; }"""
    found = document(carry(tmp_path, text))
    first, second = found["mounts"]
    assert ("nchan_publisher", 50, "5m") == (first["mode"], first["messages"], first["message_ttl"])
    assert (20, "10m", False) == (second["messages"], second["message_ttl"], second["store"])
    assert {"messages": 50, "age": "10m"} == found["defaults"]["history"]


def test_nchan_pubsub_is_both(tmp_path: Path) -> None:
    """One location, a mount on each listener."""
    text = "location = /p { nchan_pubsub websocket; nchan_channel_id a b; }"
    draft = carry(tmp_path, text)
    assert ["websocket", "nchan_publisher"] == [mount.mode for mount in draft.mounts]
    assert all(("a", "b") == mount.keys["fixed"] for mount in draft.mounts)


def test_the_servers_of_nchan_are_the_store(tmp_path: Path) -> None:
    """One server or a cluster; what opens them is in the settings, and in no finding."""
    one = "upstream r { nchan_redis_server redis://:pass@a:1/2; }"
    location = "location /p { nchan_publisher; nchan_channel_id x; nchan_redis_pass r; }"
    draft = carry(tmp_path, one + location)
    assert "redis://:pass@a:1/2" == draft.settings["BROKER_STORE"].value
    assert not [finding for finding in draft.findings if "pass@" in str(finding)]
    several = "upstream r { nchan_redis_server a:1; nchan_redis_server b:2; }"
    draft = carry(tmp_path, several)
    assert "redis+cluster://a:1,b:2" == draft.settings["BROKER_STORE"].value


@pytest.mark.parametrize(
    ("role", "reason"),
    [
        ("nchan_subscriber multipart-mixed", "not served"),
        ("nchan_subscriber pigeon", "no way to subscribe"),
        ("nchan_stub_status", "/metrics"),
        ("nchan_group_location", "limits"),
    ],
)
def test_roles_without_a_counterpart(tmp_path: Path, role: str, reason: str) -> None:
    """What no mount can do is told, and makes none."""
    draft = carry(tmp_path, f"location /a {{ {role}; nchan_channel_id a; }}")
    finding = told(draft, role.split(maxsplit=1)[0])
    assert (Fate.NONE, True, []) == (finding.fate, reason in finding.why, draft.mounts)


def test_the_forerunner_of_nchan(tmp_path: Path) -> None:
    """The push module's names still hold."""
    text = """location /p { push_publisher; set $push_channel_id $arg_id; nchan_channel_id $arg_id;
        push_message_timeout 2h; push_message_buffer_length 7; }"""
    [mount] = document(carry(tmp_path, text))["mounts"]
    assert (7, "2h") == (mount["messages"], mount["message_ttl"])


# --- whatever it is given ------------------------------------------------------------------------

NAMES = sorted(TABLE)
VALUES = st.sampled_from(
    [
        "on",
        "off",
        "$arg_id",
        "$1",
        "a/b",
        "10",
        "5m",
        "0",
        "x_$1",
        "",
        "'~text~'",
        "longpoll",
        "$(x)",
    ]
)
DIRECTIVES = st.lists(st.tuples(st.sampled_from(NAMES), st.lists(VALUES, max_size=2)), max_size=8)
PATHS = st.sampled_from(["/a", "= /b", "~ /c/(.*)", "~* ^/d/(x|y)$", '^~ "/e;f"', "@g", "/"])


def written(name: str, words: list[str]) -> str:
    """Return a directive as a line of a configuration."""
    return " ".join((name, *(word or "''" for word in words))) + ";"


@examples(max_examples=60)
@given(st.lists(st.tuples(PATHS, DIRECTIVES), max_size=4), DIRECTIVES)
def test_whatever_is_migrated_the_broker_can_start_with(
    tmp_path_factory: pytest.TempPathFactory,
    blocks: list[tuple[str, list[tuple[str, list[str]]]]],
    outer: list[tuple[str, list[str]]],
) -> None:
    """Rules and settings hold no mistake, and no directive of a module goes unmentioned."""
    lines = [written(name, words) for name, words in outer]
    for path, directives in blocks:
        inner = " ".join(written(name, words) for name, words in directives)
        lines.append(f"location {path} {{ {inner} }}")
    draft = carry(tmp_path_factory.mktemp("any"), "\n".join(lines))
    Catalog.parse(rules(draft, "nginx.conf", "public"))
    Settings.load({}, read_environ(settings(draft, "nginx.conf")))
    assert locations(draft, "nginx.conf")
    count = len(outer) + sum(len(directives) for _, directives in blocks)
    assert count == len(draft.findings)
