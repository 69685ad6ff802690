"""A row of the tables that say what becomes of each directive."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from broker.core.units import format_duration
from broker.migration.configuration import Directive
from broker.migration.draft import Draft, Fate, MountDraft, NoCounterpart, Setting, Value
from broker.migration.endpoints import Endpoint
from broker.migration.measures import read_time_s
from broker.settings import Settings, SettingsError

SUBSCRIBERS = frozenset({"websocket", "longpoll", "shortpoll", "eventsource", "stream"})
"""Modes of mounts for subscribers."""

POLLS = frozenset({"longpoll", "shortpoll"})
"""Modes that answer and end."""

LASTING = SUBSCRIBERS - POLLS
"""Modes whose connections stay."""


@dataclass(frozen=True, slots=True)
class Scene:
    """
    What a directive is carried over into.

    Attributes:
        endpoint: The endpoint for which it holds.
        mounts: The mounts that stand for that endpoint.
        draft: Everything that was made so far.
    """

    endpoint: Endpoint
    mounts: tuple[MountDraft, ...]
    draft: Draft

    def put(self, modes: Iterable[str], key: str, value: Value) -> str:
        """
        Give a key to the mounts of some modes.

        Returns:
            What the directive became.

        Raises:
            NoCounterpart: There is none of these modes.
        """
        found = [mount for mount in self.mounts if mount.mode in modes]
        if not found:
            raise NoCounterpart("nothing of this location has a use for it")
        for mount in found:
            mount.keys[key] = value
        return ", ".join(f"{key} of {mount}" for mount in found)

    def set(self, name: str, value: str, directive: Directive) -> str:
        """
        Set a setting.

        Returns:
            What the directive became.

        Raises:
            NoCounterpart: The setting cannot have that value.
        """
        try:
            Settings.load({}, {name: value})
        except SettingsError as exc:
            raise NoCounterpart(f"the broker takes no such setting: {exc.faults[0]}") from exc
        self.draft.settings[name] = Setting(value, directive)
        return f"the setting {name}={value}"


Apply = Callable[[Scene, Directive], str]
"""Carries a directive over and returns what it became; raises `NoCounterpart` where it cannot."""


@dataclass(frozen=True, slots=True)
class Row:
    """
    What becomes of one directive.

    Attributes:
        name: The directive.
        fate: What becomes of it where it can be carried over.
        becomes: Its counterpart, as Markdown; empty where it has none.
        why: How the counterpart differs, or why there is none.
        apply: Carries it over; none where it has no counterpart.
    """

    name: str
    fate: Fate
    becomes: str = ""
    why: str = ""
    apply: Apply | None = None


def none(name: str, why: str) -> Row:
    """Return the row of a directive without a counterpart."""
    return Row(name, Fate.NONE, why=why)


def text_key(modes: Iterable[str], key: str) -> Apply:
    """Return what carries a text over to a key of mounts."""

    def apply(scene: Scene, directive: Directive) -> str:
        return scene.put(modes, key, directive.value)

    return apply


def time_key(modes: Iterable[str], key: str, most_s: int) -> Apply:
    """Return what carries a time over to a key of mounts, at most so many seconds."""

    def apply(scene: Scene, directive: Directive) -> str:
        time_s = read_time_s(directive.value)
        if not time_s:
            raise NoCounterpart("0 switches it off, as leaving it out does here")
        return scene.put(modes, key, format_duration(min(time_s, most_s)))

    return apply


def switch_key(modes: Iterable[str], key: str) -> Apply:
    """Return what carries `on` and `off` over to a key of mounts."""

    def apply(scene: Scene, directive: Directive) -> str:
        return scene.put(modes, key, directive.value == "on")

    return apply


def argument_key(field: str) -> Apply:
    """Return what carries the source of a part of the cursor over."""

    def apply(scene: Scene, directive: Directive) -> str:
        if not directive.value.startswith("$arg_"):
            raise NoCounterpart("the cursor is read from arguments of the query and from headers")
        name = directive.value.removeprefix("$arg_")
        told: list[str] = []
        for mount in scene.mounts:
            if mount.mode in SUBSCRIBERS:
                before = mount.keys.get("cursor")
                names = dict(before) if isinstance(before, dict) else {}
                mount.keys["cursor"] = {**names, field: name}
                told.append(f"cursor.{field} of {mount}")
        if not told:
            raise NoCounterpart("nothing of this location has a cursor")
        return ", ".join(told)

    return apply
