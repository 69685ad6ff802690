"""The Lua scripts of the store."""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files
from typing import NamedTuple


class Source(NamedTuple):
    """
    A script as a server takes it.

    Attributes:
        text: Its source, the shared prelude included.
        digest: The name under which a server keeps it.
    """

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> Source:
        """Return a source with its digest."""
        return cls(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


class Script(NamedTuple):
    """
    One script.

    Attributes:
        whole: For a server that has all keys; announces by PUBLISH.
        sharded: For a server of a cluster; announces by SPUBLISH, within its shard.
    """

    whole: Source
    sharded: Source

    @classmethod
    def load(cls, name: str) -> Script:
        """Read a script of this package."""
        folder = files("broker.store")
        text = folder.joinpath("clock.lua").read_text() + folder.joinpath(name).read_text()
        return cls(Source.of(text), Source.of(text.replace("'PUBLISH'", "'SPUBLISH'")))


PUBLISH = Script.load("publish.lua")
READ = Script.load("read.lua")
TICK = Script.load("tick.lua")
INFO = Script.load("info.lua")
DELETE = Script.load("delete.lua")
REVOKE = Script.load("revoke.lua")
LIFE = Script.load("life.lua")
