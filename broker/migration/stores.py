"""The Redis servers that nchan uses, as the broker's store."""

from __future__ import annotations

from broker.migration.configuration import Configuration, Directive, walk
from broker.migration.draft import Draft, Fate, Setting
from broker.settings import Settings, SettingsError

SETTING = "BROKER_STORE"
"""The setting that names the store."""

NAMES = frozenset({"nchan_redis_server", "nchan_redis_url"})
"""Directives that name a server."""

UNREAD = "what nchan stored there is not read"
"""What differs once the broker uses it."""

_SCHEME = "redis://"


def carry_store(configuration: Configuration, draft: Draft) -> None:
    """
    Set the store where a configuration names Redis servers.

    Several servers are members of one cluster to nchan, and so they are here.

    Args:
        configuration: What was read.
        draft: Takes the setting, and what became of the directives.
    """
    named = [each for each in walk(configuration.directives) if each.name in NAMES]
    found = [each for each in named if _is_store(_url(each))]
    for each in named:
        if each in found:
            draft.tell(each, Fate.CHANGED, f"the setting {SETTING}", UNREAD)
        else:
            draft.tell(each, Fate.NONE, why="it is no address of a store")
    urls = list(dict.fromkeys(_url(each) for each in found))
    if not urls:
        return
    scheme, _, first = urls[0].partition("://")
    rest = (url.partition("://")[2].rpartition("@")[2].partition("/")[0] for url in urls[1:])
    value = urls[0] if len(urls) == 1 else f"{scheme}+cluster://{','.join((first, *rest))}"
    draft.settings[SETTING] = Setting(value, found[0])


def _is_store(url: str) -> bool:
    try:
        Settings.load({}, {SETTING: url})
    except SettingsError:
        return False
    return bool(url)


def _url(directive: Directive) -> str:
    text = directive.value
    return text if "://" in text or not text else f"{_SCHEME}{text}"
