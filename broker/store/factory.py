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
from broker.store.seeds import CLUSTER_SCHEMES, SENTINEL_SCHEMES

MEMORY: Final = "memory:"
REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://", *SENTINEL_SCHEMES, *CLUSTER_SCHEMES)
SCHEMES: Final = (*REDIS_SCHEMES, MEMORY)


def open_store(url: str, data_dir: Path, options: StoreOptions | None = None) -> Store:
    """
    Return the store of a URL; it is not open yet.

    Args:
        url: `redis://` or another of `SCHEMES`; empty for the private server.
        data_dir: Where the private server keeps its files.
        options: Deadline, expiries and bounds.

    Raises:
        ValueError: the URL has another scheme, or cannot be used; the text has no credentials. Or
            there are no replicas to wait for.
    """
    if options is not None and options.replicas and url in ("", MEMORY):
        raise ValueError("only a store on servers of your own has replicas to wait for")
    if not url:
        return EmbeddedStore(data_dir, options)
    if url == MEMORY:
        return MemoryStore(options=options)
    if url.startswith(REDIS_SCHEMES):
        return RedisStore(url, options)
    scheme = url.partition("//")[0] + ("//" if "//" in url else "")
    near = get_close_matches(scheme, SCHEMES, 1, 0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"no store has the scheme {scheme!r}: use one of {', '.join(SCHEMES)}{hint}")
