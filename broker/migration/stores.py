"""The Redis servers that nchan uses, as the broker's store."""

from __future__ import annotations

from broker.migration.configuration import Configuration, Directive, walk
from broker.migration.draft import Draft, Setting

SETTING = "BROKER_STORE"
"""The setting that names the store."""

_NAMES = frozenset({"nchan_redis_server", "nchan_redis_url"})
_SCHEME = "redis://"


def carry_store(configuration: Configuration, draft: Draft) -> None:
    """
    Set the store where a configuration names Redis servers.

    Several servers are members of one cluster to nchan, and so they are here.

    Args:
        configuration: What was read.
        draft: Takes the setting.
    """
    found = [each for each in walk(configuration.directives) if each.name in _NAMES and each.words]
    urls = list(dict.fromkeys(_url(each) for each in found))
    if not urls:
        return
    scheme, _, first = urls[0].partition("://")
    rest = (url.partition("://")[2].rpartition("@")[2].partition("/")[0] for url in urls[1:])
    value = urls[0] if len(urls) == 1 else f"{scheme}+cluster://{','.join((first, *rest))}"
    draft.settings[SETTING] = Setting(value, f"{found[0].place}: {found[0].name}")


def _url(directive: Directive) -> str:
    return directive.value if "://" in directive.value else f"{_SCHEME}{directive.value}"
