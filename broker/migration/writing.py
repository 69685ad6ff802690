"""The files that a migration writes: `channels.yaml`, and the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote
import json

from broker.core.quoting import Quoting
from broker.core.templates import BadTemplate, parse_template
from broker.core.units import format_duration, format_size
from broker.migration.draft import Draft, MountDraft, Value

RULES_FILE = "channels.yaml"
"""Name of the file with mounts and rules."""

SETTINGS_FILE = "broker.env"
"""Name of the file with settings, one variable a line."""

DEFAULT_MESSAGES = 1000
"""Messages kept where nothing said how many: push-stream keeps what its memory takes."""

DEFAULT_AGE_S = 30 * 60
"""Seconds for which they are kept where nothing said so, as in push-stream."""

NCHAN_MESSAGES = 10
"""Messages that nchan keeps where nothing said how many."""

NCHAN_AGE_S = 3600
"""Seconds for which nchan keeps them where nothing said so."""

MAX_SEGMENTS = 5
"""Segments of a channel's name at most; a pattern is written for each number of them."""

SUBSCRIBERS_OF = {"public": "public", "token": "[{}]"}
"""What `subscribe` says of every channel, by who may read."""

_ON_UNASKED = frozenset({"store", "info"})
_ANYONE = "the modules ask nobody for a token; narrow this, or set up tokens"


def rules(draft: Draft, source: str, access: str) -> str:
    """
    Return `channels.yaml`.

    Args:
        draft: What the migration made.
        source: Name of the configuration that it was made of.
        access: Who may read, one of `SUBSCRIBERS_OF`.
    """
    return "\n".join((*_head(draft, source), *_mounts(draft), *_channels(draft, access), ""))


def settings(draft: Draft, source: str) -> str:
    """
    Return the settings, for the environment of the broker: a shell reads it, and systemd.

    Args:
        draft: What the migration made.
        source: Name of the configuration that it was made of.
    """
    lines = [f"# Settings of the broker, carried over from {_plain(source)}."]
    for name, (value, directive) in sorted(draft.settings.items()):
        lines.append(f"# {_plain(f'{directive.place}: {directive.name}')}")
        lines.append(f"{name}={quote(_plain(value))}")
    if draft.max_message_bytes:
        size = f"{draft.max_message_bytes / 1024:g}KiB"
        lines += ["# client_max_body_size", f"BROKER_MAX_MESSAGE_BYTES={size}"]
        if draft.max_message_bytes > _DEFAULT_BODY_BYTES:
            lines.append(f"BROKER_MAX_BODY_BYTES={size}")
    return "\n".join((*lines, ""))


_DEFAULT_BODY_BYTES = 4 * 1024 * 1024


def _head(draft: Draft, source: str) -> Iterator[str]:
    is_nchan = bool(draft.mounts) and all(map(_is_nchan, draft.mounts))
    messages, age_s = (
        (NCHAN_MESSAGES, NCHAN_AGE_S) if is_nchan else (DEFAULT_MESSAGES, DEFAULT_AGE_S)
    )
    messages = messages if draft.messages is None else draft.messages
    age_s = draft.age_s or age_s
    yield f"# Carried over from {_plain(source)} by broker migrate."
    yield "# Check it with broker check; what each key means: docs/reference/channels.md"
    yield ""
    yield "version: 1"
    yield ""
    yield "defaults:"
    yield f"  history: {{messages: {messages}, age: {format_duration(age_s)}}}"
    if draft.max_message_bytes:
        yield f"  max_message: {format_size(draft.max_message_bytes)}"


def _is_nchan(mount: MountDraft) -> bool:
    return not mount.role.name.startswith("push_stream_")


def _mounts(draft: Draft) -> Iterator[str]:
    yield ""
    if not draft.mounts:
        yield "mounts: []"
        return
    yield "mounts:"
    wanted = {_writes_json(mount) for mount in draft.mounts if "template" in mount.keys}
    body = "auto" if len(wanted) > 1 else "json" if True in wanted else "text"
    for mount in draft.mounts:
        yield f"  # {_plain(str(mount.place))}"
        yield f"  - path: {_value(mount.path)}"
        yield f"    mode: {mount.mode}"
        unasked: dict[str, Value] = {"body": body} if mount.mode == "publisher" else {}
        for key, value in (mount.keys | unasked).items():
            if value is False and key not in _ON_UNASKED:
                continue
            yield f"    {key}: {_value(value)}"


def _writes_json(mount: MountDraft) -> bool:
    """Tell whether a template takes messages for JSON, as it stands outside quotes."""
    template = mount.keys.get("template")
    if not isinstance(template, str):
        return False
    try:
        parts = parse_template(template).parts
    except BadTemplate:
        return False
    return any(
        not isinstance(part, str) and part.name == "text" and part.quoting is Quoting.VALUE
        for part in parts
    )


def _channels(draft: Draft, access: str) -> Iterator[str]:
    yield ""
    yield f"# {_ANYONE}."
    yield "# A name with more dots than these patterns needs one more."
    yield "channels:"
    if draft.events:
        yield f"  - name: {_value(draft.events)}"
        yield "    description: What happens to channels."
        if draft.events_open:
            yield f"    subscribe: {SUBSCRIBERS_OF[access]}"
    for count in range(1, MAX_SEGMENTS + 1):
        name = ".".join(f"{{name{number}}}" for number in range(1, count + 1))
        yield f"  - name: {_value(name)}"
        yield f"    subscribe: {SUBSCRIBERS_OF[access]}"
        if draft.publishing:
            yield "    publish: [{}]"


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return json.dumps(_plain(value, controls=True))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_value(each)}" for key, each in value.items()) + "}"
    return "[" + ", ".join(_value(each) for each in value) + "]"


def _plain(text: str, *, controls: bool = False) -> str:
    """Return text without what no file of ours may hold."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if controls else " ".join(text.split())
