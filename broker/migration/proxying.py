"""The locations of nginx that send the paths of a migrated configuration on to the broker."""

from __future__ import annotations

from collections.abc import Iterator

from broker.migration.draft import Draft, MountDraft
from broker.migration.rows import SUBSCRIBERS

LOCATIONS_FILE = "broker-locations.conf"
"""Name of the file with locations, for a `server` of nginx."""

_PUBLISHING = "@broker_publishing"
_HEAD = """\
# Locations for a server of nginx, which sends the paths of {source} on to the broker.
# It needs broker.conf, broker-proxy.conf and broker-internal.conf of deploy/nginx beside it.
# Whoever may publish is named in broker-internal.conf: this machine, unless you say otherwise.
"""
_READING = "    if ($request_method !~ ^(GET|HEAD|OPTIONS)$) { return 418; }"


def locations(draft: Draft, source: str) -> str:
    """
    Return the locations.

    Args:
        draft: What the migration made.
        source: Name of the configuration that it was made of.
    """
    lines = [_HEAD.format(source=" ".join(source.split()))]
    by_path: dict[str, list[MountDraft]] = {}
    for mount in draft.mounts:
        by_path.setdefault(mount.path, []).append(mount)
    for path, mounts in by_path.items():
        lines += _location(path, mounts)
    if any(_is_both(mounts) for mounts in by_path.values()):
        lines += [f"location {_PUBLISHING} {{", "    include broker-internal.conf;", "}"]
    return "\n".join((*lines, ""))


def _location(path: str, mounts: list[MountDraft]) -> Iterator[str]:
    is_exact = all("argument" in mount.keys or "fixed" in mount.keys for mount in mounts)
    yield f'location = "{path}" {{' if is_exact else f'location ^~ "{path}/" {{'
    if _is_both(mounts):
        yield f"    error_page 418 = {_PUBLISHING};"
        yield _READING
    name = "proxy" if any(mount.mode in SUBSCRIBERS for mount in mounts) else "internal"
    yield f"    include broker-{name}.conf;"
    yield "}"


def _is_both(mounts: list[MountDraft]) -> bool:
    """Tell whether subscribers and publishers share a path."""
    return len({mount.mode in SUBSCRIBERS for mount in mounts}) > 1
