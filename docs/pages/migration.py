"""The page of what becomes of each directive, made of the tables that `broker migrate` follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from broker.migration.rows import Row
from broker.migration.table import CLOSING, GUARDS, NCHAN, PUSH_STREAM

INTRODUCTION = """\
# Directive by directive

What becomes of each directive of [push-stream](push-stream.md) and [nchan](nchan.md) when
`broker migrate` carries a configuration over. *Same*: the counterpart does the same. *Changed*: it
differs, as told. *None*: there is no counterpart, for the reason told.

This page is made of the tables in `broker/migration/` by `make docs`.
"""


def page() -> str:
    """Return the page, as Markdown."""
    return "\n".join((INTRODUCTION, *_lines()))


def _lines() -> Iterator[str]:
    yield "## push-stream\n"
    yield from _table(PUSH_STREAM)
    yield "\n## nchan\n"
    yield from _table(NCHAN)
    yield "\n## nginx\n"
    yield (
        "What nginx itself does about a location stays with nginx, in front of the broker."
        " `client_max_body_size` becomes `max_message`, `default_type` becomes `content_type`,"
        " `gzip` becomes `compress`. Where one of these keeps people out, the mount asks"
        " subscribers for a token besides: "
        + ", ".join(f"`{name}`" for name in sorted(CLOSING))
        + ". Named, but left to nginx: "
        + ", ".join(f"`{name}`" for name in sorted(GUARDS - CLOSING))
        + ".\n"
    )


def _table(rows: Iterable[Row]) -> Iterator[str]:
    yield "| Directive | | Counterpart | |"
    yield "|---|---|---|---|"
    for row in rows:
        yield f"| `{row.name}` | {row.fate.value} | {row.becomes} | {row.why} |"
