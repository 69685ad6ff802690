"""The reference of all settings, made of their declarations."""

from __future__ import annotations

from collections.abc import Iterator
import inspect

from broker.settings.declare import Setting, declared
from broker.settings.load import GROUPS

INTRODUCTION = """\
# Settings

Every setting is an environment variable and a flag of `broker serve`; a flag wins. They are read
once, at start: whatever is wrong, unknown `BROKER_…` names included, is named in one run, and the
broker does not start. Durations take a unit (`500ms`, `90s`, `10m`, `2h`, `30d`; seconds without
one), sizes too (`64KiB`, `4MiB`, `1GiB`; bytes without one), lists are separated by commas.

This page is made of the declarations in `broker/settings/` by `make docs`.
"""


def describe() -> str:
    """Return the reference page of all settings, as Markdown."""
    return "\n".join((INTRODUCTION, *(line for group in GROUPS for line in _section(group))))


def _section(group: type) -> Iterator[str]:
    title = (inspect.getdoc(group) or group.__name__).rstrip(".")
    yield f"## {title}\n"
    for setting in declared(group):
        yield from _entry(setting)


def _entry(setting: Setting) -> Iterator[str]:
    yield f"### `{setting.name}`\n"
    yield f"`{setting.env}` · `{setting.flag} {setting.kind.metavar}`\n"
    yield f"{setting.doc}\n"
    yield f"- Default: {_default(setting)}. {setting.why}"
    if allowed := setting.kind.allowed():
        yield f"- Allowed: {allowed}"
    yield ""


def _default(setting: Setting) -> str:
    is_value = setting.default_text == setting.kind.show(setting.default)
    return f"`{setting.default_text}`" if is_value else setting.default_text
