"""The table of the directives of nchan that have a counterpart."""

from __future__ import annotations

from broker.core.units import format_duration
from broker.migration.configuration import Directive
from broker.migration.draft import ANY_TOKEN, Fate, NoCounterpart
from broker.migration.measures import read_number, read_time_s
from broker.migration.nchan import PUBLISHERS
from broker.migration.pushstream import MAX_AGE_S, MAX_HOLD_S, MAX_MESSAGES, MAX_TTL_S
from broker.migration.pushstream_rows import events_channel
from broker.migration.rows import SUBSCRIBERS, Apply, Row, Scene, time_key
from broker.migration.stores import SETTING, UNREAD


def _role(scene: Scene, _directive: Directive) -> str:
    return ", ".join(f"{mount}, mode {mount.mode}" for mount in scene.mounts)


def _channel_id(scene: Scene, _directive: Directive) -> str:
    told = []
    for mount in scene.mounts:
        keys = [f"{key} of {mount}" for key in ("argument", "fixed", "prefix") if key in mount.keys]
        told += keys or [f"channels in the path of {mount}"]
    return ", ".join(dict.fromkeys(told))


def _group(scene: Scene, _directive: Directive) -> str:
    return ", ".join(dict.fromkeys(f"the beginning of names in {mount}" for mount in scene.mounts))


def _delimiter(_scene: Scene, directive: Directive) -> str:
    if directive.value != "/":
        raise NoCounterpart("names of channels are separated by a slash")
    return "the slash between names of channels"


def _buffer(scene: Scene, directive: Directive) -> str:
    if "$" in directive.value:
        raise NoCounterpart("it is a variable; a mount has one number")
    messages = min(read_number(directive.value), MAX_MESSAGES)
    told = scene.put(PUBLISHERS, "messages", messages)
    scene.draft.messages = max(messages, scene.draft.messages or 0)
    return told


def _timeout(scene: Scene, directive: Directive) -> str:
    if "$" in directive.value:
        raise NoCounterpart("it is a variable; a mount has one time")
    age_s = min(read_time_s(directive.value) or MAX_AGE_S, MAX_AGE_S)
    told = scene.put(PUBLISHERS, "message_ttl", format_duration(age_s))
    scene.draft.age_s = max(age_s, scene.draft.age_s or 0)
    return told


def _store(scene: Scene, directive: Directive) -> str:
    return scene.put(PUBLISHERS, "store", directive.value == "on")


def _multipart(scene: Scene, directive: Directive) -> str:
    if directive.value == "off":
        raise NoCounterpart("everything pending comes in one answer, as parts where it is several")
    return scene.put({"longpoll", "shortpoll"}, "nchan", directive.value == "on")


def _subscriber_timeout(scene: Scene, directive: Directive) -> str:
    told = []
    for modes, key, most_s in (
        ({"longpoll"}, "hold", MAX_HOLD_S),
        ({"websocket", "eventsource", "stream"}, "ttl", MAX_TTL_S),
    ):
        if any(mount.mode in modes for mount in scene.mounts):
            told.append(time_key(modes, key, most_s)(scene, directive))
    if not told:
        raise NoCounterpart("nothing of this location waits")
    return ", ".join(told)


def _last_message_id(scene: Scene, directive: Directive) -> str:
    argument = next((word for word in directive.words if word.startswith("$arg_")), "")
    if not argument:
        raise NoCounterpart("the cursor is read from arguments of the query and from headers")
    name = argument.removeprefix("$arg_")
    for mount in scene.mounts:
        if mount.mode in SUBSCRIBERS:
            mount.keys["cursor"] = {"event_id": name}
    return ", ".join(
        dict.fromkeys(f"cursor.event_id of {m}" for m in scene.mounts if m.mode in SUBSCRIBERS)
    )


def _raw_separator(scene: Scene, directive: Directive) -> str:
    text = directive.value
    return scene.put(
        {"stream"}, "separator", text if text.endswith("\n") or not text else f"{text}\n"
    )


def _interval(name: str) -> Apply:
    def apply(scene: Scene, directive: Directive) -> str:
        seconds = read_time_s(directive.value)
        if not seconds:
            raise NoCounterpart("there are always signs of life; only their interval can be set")
        return scene.set(name, f"{seconds}s", directive)

    return apply


def _name_length(scene: Scene, directive: Directive) -> str:
    length = min(max(read_number(directive.value), 16), 1024)
    return scene.set("BROKER_MAX_CHANNEL_BYTES", str(length), directive)


def _origin(scene: Scene, directive: Directive) -> str:
    if "$" in directive.value:
        return scene.set("BROKER_ALLOWED_ORIGINS", "*", directive)
    return scene.set("BROKER_ALLOWED_ORIGINS", directive.value, directive)


def _existing_only(scene: Scene, directive: Directive) -> str:
    return scene.put(SUBSCRIBERS, "stored_only", directive.value == "on")


def _redis(scene: Scene, _directive: Directive) -> str:
    if SETTING not in scene.draft.settings:
        raise NoCounterpart("no server is named")
    return f"the setting {SETTING}"


def _first_message(scene: Scene, directive: Directive) -> str:
    if directive.value not in _FIRST:
        raise NoCounterpart("a mount begins with the oldest message or with what comes next")
    return scene.put(SUBSCRIBERS, "backlog", _FIRST[directive.value])


def _authorize(scene: Scene, _directive: Directive) -> str:
    return scene.put(SUBSCRIBERS, "subscribe", ANY_TOKEN)


_FIRST = {"oldest": True, "1": True, "newest": False, "0": False}
_INTERNAL = "it is served by the internal listener, so a proxy in front sends its path there"
_TRANSPORTS = "one mount for each way to subscribe, all under one path"

_OWN = (
    Row(
        "nchan_subscriber_first_message",
        Fate.SAME,
        "`backlog` of the mount, which is on where it is missing",
        apply=_first_message,
    ),
    Row(
        "nchan_authorize_request",
        Fate.CHANGED,
        "`subscribe` of the mount",
        "the application is not asked; it gives out tokens, and any valid one opens the mount",
        _authorize,
    ),
    Row(
        "nchan_channel_events_channel_id",
        Fate.CHANGED,
        "the setting `BROKER_EVENTS_CHANNEL`",
        "it tells of all channels, in events of one form",
        events_channel,
    ),
    Row(
        "nchan_subscriber",
        Fate.CHANGED,
        "mounts with `mode`: `websocket`, `eventsource`, `longpoll`, `shortpoll` or `stream`",
        _TRANSPORTS,
        _role,
    ),
    Row(
        "nchan_publisher",
        Fate.CHANGED,
        "a mount with `mode: nchan_publisher`",
        f"{_INTERNAL}; by HTTP alone",
        _role,
    ),
    Row(
        "nchan_pubsub",
        Fate.CHANGED,
        "the mounts of `nchan_subscriber` and that of `nchan_publisher`",
        f"{_INTERNAL}, except who reads there",
        _role,
    ),
    Row(
        "nchan_channel_id",
        Fate.SAME,
        "channels in the path, or `argument`, `fixed`, `prefix` of the mount",
        apply=_channel_id,
    ),
    Row(
        "nchan_channel_id_split_delimiter",
        Fate.SAME,
        "`/` between names, nothing else",
        apply=_delimiter,
    ),
    Row(
        "nchan_channel_group",
        Fate.SAME,
        "`prefix` of the mount: the group and a dot",
        apply=_group,
    ),
    Row(
        "nchan_message_buffer_length",
        Fate.SAME,
        "`messages` of the mount and `history.messages`; 10 where it is missing",
        apply=_buffer,
    ),
    Row(
        "nchan_message_timeout",
        Fate.SAME,
        "`message_ttl` of the mount and `history.age`; an hour where it is missing",
        apply=_timeout,
    ),
    Row(
        "nchan_store_messages",
        Fate.SAME,
        "`store` of the mount",
        apply=_store,
    ),
    Row(
        "nchan_subscriber_timeout",
        Fate.CHANGED,
        "`ttl` of the mount; of a long poll `hold`",
        "it is the life of a connection; a long poll that is over gets 304",
        _subscriber_timeout,
    ),
    Row(
        "nchan_subscriber_last_message_id",
        Fate.CHANGED,
        "`cursor.event_id` of the mount",
        "one argument; the headers are always read",
        _last_message_id,
    ),
    Row(
        "nchan_subscriber_http_raw_stream_separator",
        Fate.SAME,
        "`separator` of the mount",
        apply=_raw_separator,
    ),
    Row(
        "nchan_longpoll_multipart_response",
        Fate.SAME,
        "`nchan` of the mount",
        apply=_multipart,
    ),
    Row(
        "nchan_websocket_ping_interval",
        Fate.CHANGED,
        "the setting `BROKER_WEBSOCKET_PING_S`",
        "it holds for all mounts",
        _interval("BROKER_WEBSOCKET_PING_S"),
    ),
    Row(
        "nchan_eventsource_ping_interval",
        Fate.CHANGED,
        "the setting `BROKER_HEARTBEAT_S`",
        "it holds for all mounts, and the sign of life is a comment",
        _interval("BROKER_HEARTBEAT_S"),
    ),
    Row(
        "nchan_subscribe_existing_channels_only",
        Fate.CHANGED,
        "`stored_only` of the mount",
        "the channel must hold a message",
        _existing_only,
    ),
    Row(
        "nchan_max_channel_id_length",
        Fate.SAME,
        "the setting `BROKER_MAX_CHANNEL_BYTES`, from 16 to 1024",
        apply=_name_length,
    ),
    Row(
        "nchan_access_control_allow_origin",
        Fate.CHANGED,
        "the setting `BROKER_ALLOWED_ORIGINS`",
        "it holds for all mounts, and each origin is compared",
        _origin,
    ),
    Row(
        "nchan_redis",
        Fate.CHANGED,
        "the setting `BROKER_STORE`",
        UNREAD,
        _redis,
    ),
    Row(
        "nchan_redis_pass",
        Fate.CHANGED,
        "the setting `BROKER_STORE`",
        UNREAD,
        _redis,
    ),
    Row(
        "nchan_redis_server",
        Fate.CHANGED,
        "the setting `BROKER_STORE`",
        UNREAD,
        _redis,
    ),
    Row(
        "push_subscriber",
        Fate.SAME,
        "a mount with `mode: longpoll` or `shortpoll`",
        apply=_role,
    ),
)
_BY_NAME = {row.name: row for row in _OWN}
_OTHER_NAMES = {
    "nchan_subscriber_location": "nchan_subscriber",
    "nchan_publisher_location": "nchan_publisher",
    "nchan_pubsub_location": "nchan_pubsub",
    "nchan_pubsub_channel_id": "nchan_channel_id",
    "nchan_subscriber_channel_id": "nchan_channel_id",
    "nchan_sub_channel_id": "nchan_channel_id",
    "nchan_publisher_channel_id": "nchan_channel_id",
    "nchan_pub_channel_id": "nchan_channel_id",
    "nchan_message_max_buffer_length": "nchan_message_buffer_length",
    "push_publisher": "nchan_publisher",
    "push_channel_group": "nchan_channel_group",
    "push_store_messages": "nchan_store_messages",
    "push_message_timeout": "nchan_message_timeout",
    "push_message_buffer_length": "nchan_message_buffer_length",
    "push_max_message_buffer_length": "nchan_message_buffer_length",
    "push_max_channel_id_length": "nchan_max_channel_id_length",
    "push_authorized_channels_only": "nchan_subscribe_existing_channels_only",
    "push_subscriber_timeout": "nchan_subscriber_timeout",
}


def _also(name: str, other: str) -> Row:
    row = _BY_NAME[other]
    return Row(name, row.fate, f"as `{other}`", row.why, row.apply)


ROWS = (*_OWN, *(_also(name, other) for name, other in _OTHER_NAMES.items()))
"""The directives of nchan, and of its forerunner, that have a counterpart."""
