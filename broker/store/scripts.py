"""The Lua scripts of the store."""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """
    One script.

    Attributes:
        text: Its source, the shared prelude included.
        digest: The name under which a server keeps it.
    """

    text: str
    digest: str

    @classmethod
    def load(cls, name: str) -> Script:
        """Read a script of this package."""
        folder = files("broker.store")
        text = folder.joinpath("clock.lua").read_text() + folder.joinpath(name).read_text()
        return cls(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


PUBLISH = Script.load("publish.lua")
READ = Script.load("read.lua")
TICK = Script.load("tick.lua")
INFO = Script.load("info.lua")
DELETE = Script.load("delete.lua")
REVOKE = Script.load("revoke.lua")
