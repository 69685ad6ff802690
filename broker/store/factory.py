"""Choosing the store by its URL."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Final

from broker.store.base import Store
from broker.store.embedded import EmbeddedStore
from broker.store.memory import MemoryStore
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore

MEMORY: Final = "memory:"
SCHEMES: Final = ("redis://", "rediss://", "unix://", MEMORY)


def open_store(url: str, data_dir: Path, options: StoreOptions | None = None) -> Store:
    """
    Return the store of a URL; it is not open yet.

    Args:
        url: `redis://`, `rediss://`, `unix://` or `memory:`; empty for the private server.
        data_dir: Where the private server keeps its files.
        options: Deadline, expiries and bounds.

    Raises:
        ValueError: the URL has another scheme, or cannot be used; the text has no credentials.
    """
    if not url:
        return EmbeddedStore(data_dir, options)
    if url == MEMORY:
        return MemoryStore(options=options)
    if url.startswith(tuple(SCHEMES[:-1])):
        return RedisStore(url, options)
    scheme = url.partition("//")[0] + ("//" if "//" in url else "")
    near = get_close_matches(scheme, SCHEMES, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"no store has the scheme {scheme!r}: use one of {', '.join(SCHEMES)}{hint}")
