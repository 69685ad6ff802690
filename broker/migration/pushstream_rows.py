"""The table of the directives of nginx's push-stream module."""

from __future__ import annotations

from pathlib import Path

from broker.core.units import format_duration
from broker.migration.configuration import Directive
from broker.migration.draft import Fate, NoCounterpart, Value
from broker.migration.measures import read_number, read_time_s
from broker.migration.pushstream import MAX_AGE_S, MAX_HOLD_S, MAX_MESSAGES, MAX_TTL_S
from broker.migration.rows import (
    LASTING,
    SUBSCRIBERS,
    Row,
    Scene,
    argument_key,
    none,
    switch_key,
    text_key,
    time_key,
)

MAX_TEMPLATE_FILE_BYTES = 64 * 1024
"""Size of a file with a header."""


def _role(scene: Scene, _directive: Directive) -> str:
    return ", ".join(f"{mount}, mode {mount.mode}" for mount in scene.mounts)


def _channels_path(scene: Scene, _directive: Directive) -> str:
    told = []
    for mount in scene.mounts:
        keys = [f"{key} of {mount}" for key in ("argument", "fixed", "prefix") if key in mount.keys]
        told += keys or [f"channels in the path of {mount}"]
    return ", ".join(told)


def _store(scene: Scene, directive: Directive) -> str:
    if all(mount.mode == "websocket" for mount in scene.mounts):
        if directive.value != "on":
            raise NoCounterpart(
                "what is published over a WebSocket is kept as its channel's rule says"
            )
        return "the history of each channel"
    return scene.put({"publisher"}, "store", directive.value == "on")


def _message_ttl(scene: Scene, directive: Directive) -> str:
    scene.draft.age_s = min(read_time_s(directive.value), MAX_AGE_S)
    return f"history.age: {format_duration(scene.draft.age_s)}"


def _stored_messages(scene: Scene, directive: Directive) -> str:
    scene.draft.messages = min(read_number(directive.value), MAX_MESSAGES)
    return f"history.messages: {scene.draft.messages}"


def _name_length(scene: Scene, directive: Directive) -> str:
    length = min(max(read_number(directive.value), 16), 1024)
    return scene.set("BROKER_MAX_CHANNEL_BYTES", str(length), directive)


def _origins(scene: Scene, directive: Directive) -> str:
    if "$" in directive.value:
        return scene.set("BROKER_ALLOWED_ORIGINS", "*", directive)
    origins = [each.strip() for each in directive.value.split(",") if each.strip()]
    if not origins:
        raise NoCounterpart("it names no origin")
    return scene.set("BROKER_ALLOWED_ORIGINS", ",".join(origins), directive)


def _ping(scene: Scene, directive: Directive) -> str:
    seconds = max(read_time_s(directive.value), 1)
    told = []
    if any(mount.mode == "websocket" for mount in scene.mounts):
        told.append(scene.set("BROKER_WEBSOCKET_PING_S", f"{seconds}s", directive))
    if any(mount.mode in {"eventsource", "stream"} for mount in scene.mounts):
        told.append(scene.set("BROKER_HEARTBEAT_S", f"{seconds}s", directive))
    if not told:
        raise NoCounterpart("nothing of this location is pinged")
    return ", ".join(told)


def _ping_text(scene: Scene, directive: Directive) -> str:
    return scene.put({"stream"}, "texts", {"ping": directive.value})


def _connection_ttl(scene: Scene, directive: Directive) -> str:
    if all(mount.mode == "longpoll" for mount in scene.mounts):
        if scene.endpoint.find("push_stream_longpolling_connection_ttl"):
            raise NoCounterpart("push_stream_longpolling_connection_ttl says it for this location")
        return time_key({"longpoll"}, "hold", MAX_HOLD_S)(scene, directive)
    return time_key(LASTING, "ttl", MAX_TTL_S)(scene, directive)


def _header_file(scene: Scene, directive: Directive) -> str:
    path = Path(directive.place.file).parent / directive.value
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read(MAX_TEMPLATE_FILE_BYTES)
    except (OSError, UnicodeDecodeError) as exc:
        raise NoCounterpart(f"{path} cannot be read") from exc
    return scene.put(SUBSCRIBERS, "header", text)


def _wildcard_prefix(scene: Scene, directive: Directive) -> str:
    most = scene.endpoint.find(
        "push_stream_wildcard_channel_max_qtd", "push_stream_max_number_of_wildcard_channels"
    )
    if most is None:
        raise NoCounterpart("without push_stream_wildcard_channel_max_qtd the class limits nothing")
    wildcard: Value = {"prefix": directive.value, "most": read_number(most.value)}
    return scene.put(SUBSCRIBERS, "wildcard", wildcard)


def _wildcard_most(scene: Scene, _directive: Directive) -> str:
    prefix = scene.endpoint.find("push_stream_wildcard_channel_prefix")
    if prefix is None:
        raise NoCounterpart("it needs push_stream_wildcard_channel_prefix")
    return _wildcard_prefix(scene, prefix).replace("wildcard", "wildcard.most")


def _websocket_publish(scene: Scene, directive: Directive) -> str:
    if directive.value != "on":
        return scene.put({"websocket"}, "publish", False)
    scene.draft.publishing = True
    return scene.put({"websocket"}, "publish", True)


def _info(scene: Scene, directive: Directive) -> str:
    return scene.put({"publisher"}, "info", directive.value == "on")


def events_channel(scene: Scene, directive: Directive) -> str:
    """Name the channel of events."""
    if "$" in directive.value or not directive.value:
        raise NoCounterpart("one channel of events holds for all")
    scene.draft.events = directive.value
    return scene.set("BROKER_EVENTS_CHANNEL", directive.value, directive)


def _events_open(scene: Scene, directive: Directive) -> str:
    if directive.value != "on":
        return "nobody reads that channel"
    scene.draft.events_open = True
    return "subscribe of the entry for that channel"


ROWS = (
    Row(
        "push_stream_subscriber",
        Fate.SAME,
        "a mount with `mode`: `stream`, `shortpoll`, `longpoll`, `eventsource` or `websocket`",
        apply=_role,
    ),
    Row(
        "push_stream_publisher",
        Fate.CHANGED,
        "a mount with `mode: publisher`; `admin` is `delete: true`",
        "it is served by the internal listener, so a proxy in front sends its path there",
        _role,
    ),
    Row(
        "push_stream_channels_statistics",
        Fate.CHANGED,
        "a mount with `mode: statistics`",
        "it is served by the internal listener, so a proxy in front sends its path there",
        _role,
    ),
    Row(
        "push_stream_channels_path",
        Fate.SAME,
        "channels in the path, or `argument`, `fixed`, `prefix` of the mount",
        apply=_channels_path,
    ),
    Row(
        "push_stream_store_messages",
        Fate.SAME,
        "`store` of the mount",
        apply=_store,
    ),
    Row(
        "push_stream_channel_info_on_publish",
        Fate.SAME,
        "`info` of the mount",
        apply=_info,
    ),
    Row(
        "push_stream_message_template",
        Fate.CHANGED,
        "`template` of the mount",
        "what a word stands for is escaped where it stands inside JSON or a page, so every "
        "message is valid",
        text_key(SUBSCRIBERS, "template"),
    ),
    Row(
        "push_stream_header_template",
        Fate.SAME,
        "`header` of the mount",
        apply=text_key(SUBSCRIBERS, "header"),
    ),
    Row(
        "push_stream_header_template_file",
        Fate.CHANGED,
        "`header` of the mount",
        "the text of the file is copied",
        _header_file,
    ),
    Row(
        "push_stream_footer_template",
        Fate.SAME,
        "`footer` of the mount",
        apply=text_key(SUBSCRIBERS, "footer"),
    ),
    Row(
        "push_stream_message_ttl",
        Fate.SAME,
        "`history.age`; 30 minutes where it is missing",
        apply=_message_ttl,
    ),
    Row(
        "push_stream_max_messages_stored_per_channel",
        Fate.SAME,
        "`history.messages`; 1000 where it is missing",
        apply=_stored_messages,
    ),
    Row(
        "push_stream_max_channel_id_length",
        Fate.SAME,
        "the setting `BROKER_MAX_CHANNEL_BYTES`, from 16 to 1024",
        apply=_name_length,
    ),
    Row(
        "push_stream_allowed_origins",
        Fate.CHANGED,
        "the setting `BROKER_ALLOWED_ORIGINS`",
        "it holds for all mounts, WebSockets included, and each origin is compared",
        _origins,
    ),
    Row(
        "push_stream_ping_message_interval",
        Fate.CHANGED,
        "the settings `BROKER_WEBSOCKET_PING_S` and `BROKER_HEARTBEAT_S`",
        "they hold for all mounts",
        _ping,
    ),
    Row(
        "push_stream_ping_message_text",
        Fate.SAME,
        "`texts.ping` of the mount",
        apply=_ping_text,
    ),
    Row(
        "push_stream_subscriber_connection_ttl",
        Fate.SAME,
        "`ttl` of the mount; of a long poll `hold`",
        apply=_connection_ttl,
    ),
    Row(
        "push_stream_longpolling_connection_ttl",
        Fate.CHANGED,
        "`hold` of the mount",
        "an hour at most; 25 seconds where nothing says how long",
        time_key({"longpoll"}, "hold", MAX_HOLD_S),
    ),
    Row(
        "push_stream_timeout_with_body",
        Fate.SAME,
        "`timeout_body` of the mount",
        apply=switch_key({"longpoll"}, "timeout_body"),
    ),
    Row(
        "push_stream_last_received_message_time",
        Fate.CHANGED,
        "`cursor.time` of the mount",
        "the headers are read, too, where the argument is empty",
        argument_key("time"),
    ),
    Row(
        "push_stream_last_received_message_tag",
        Fate.CHANGED,
        "`cursor.tag` of the mount",
        "the headers are read, too, where the argument is empty",
        argument_key("tag"),
    ),
    Row(
        "push_stream_last_event_id",
        Fate.CHANGED,
        "`cursor.event_id` of the mount",
        "it is a cursor (`<time>-<tag>`), which the broker writes into every event",
        argument_key("event_id"),
    ),
    Row(
        "push_stream_authorized_channels_only",
        Fate.SAME,
        "`stored_only` of the mount",
        apply=switch_key(SUBSCRIBERS, "stored_only"),
    ),
    Row(
        "push_stream_wildcard_channel_prefix",
        Fate.SAME,
        "`wildcard.prefix` of the mount",
        apply=_wildcard_prefix,
    ),
    Row(
        "push_stream_wildcard_channel_max_qtd",
        Fate.SAME,
        "`wildcard.most` of the mount",
        apply=_wildcard_most,
    ),
    Row(
        "push_stream_websocket_allow_publish",
        Fate.CHANGED,
        "`publish` of the mount, and a rule `publish` for the channels",
        "who publishes needs a token: nobody publishes unasked over a public connection",
        _websocket_publish,
    ),
    none(
        "push_stream_shared_memory_size",
        "messages are in the store, not in shared memory; `history` and the store's own "
        "limit bound them",
    ),
    none(
        "push_stream_channel_inactivity_time",
        "an idle channel takes no memory here, and its numbers are remembered "
        "(`BROKER_CHANNEL_TTL_S`)",
    ),
    none(
        "push_stream_channel_deleted_message_text",
        "the body of the DELETE is the text of the notice; without one it is `Channel deleted`",
    ),
    none(
        "push_stream_max_subscribers_per_channel",
        "connections are bounded per process, address and subject, not per channel",
    ),
    none(
        "push_stream_max_number_of_channels",
        "the patterns of `channels` say which channels there can be",
    ),
    none(
        "push_stream_max_number_of_wildcard_channels",
        "the patterns of `channels` say which channels there can be; per request "
        "`wildcard.most` bounds them",
    ),
    Row(
        "push_stream_events_channel_id",
        Fate.CHANGED,
        "the setting `BROKER_EVENTS_CHANNEL`",
        "polls that come and go are not told one by one",
        events_channel,
    ),
    Row(
        "push_stream_allow_connections_to_events_channel",
        Fate.CHANGED,
        "`subscribe` of the entry for that channel",
        "it holds for all mounts",
        _events_open,
    ),
    none(
        "push_stream_padding_by_user_agent",
        "no browser of today waits for padding",
    ),
    none(
        "push_stream_user_agent",
        "no browser of today waits for padding",
    ),
)
"""Every directive of the module, version 0.6.0."""
