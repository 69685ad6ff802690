"""A file of the package, ready to be handed out."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

FILES = Path(__file__).parent / "files"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class Asset(NamedTuple):
    """
    A file.

    Attributes:
        body: What it holds.
        content_type: What it is.
        etag: Changes with what it holds.
    """

    body: bytes
    content_type: str
    etag: str

    def is_known(self, if_none_match: str) -> bool:
        """Tell whether a client has it already (RFC 9110, section 13.1.2)."""
        return self.etag in (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))


def load_asset(name: str) -> Asset:
    """
    Read a file of the package.

    Args:
        name: Its path below `files`, with slashes.
    """
    path = FILES / name
    body = path.read_bytes()
    return Asset(body, _TYPES[path.suffix], f'"{blake2b(body, digest_size=12).hexdigest()}"')


def load_assets(folder: str) -> dict[str, Asset]:
    """Read every file of a folder and below; by its path there, with slashes."""
    root = FILES / folder
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        path.relative_to(root).as_posix(): load_asset(path.relative_to(FILES).as_posix())
        for path in paths
    }
