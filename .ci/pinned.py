"""Print one package of uv.lock as a pip requirement: its exact version and every hash."""

from __future__ import annotations

from pathlib import Path
import sys
import tomllib


def requirement(lock: Path, name: str) -> str:
    """
    Return the requirement line of a locked package.

    Args:
        lock: Path of the lock file.
        name: Normalised name of the package.

    Raises:
        LookupError: the lock has no such package.
    """
    for package in tomllib.loads(lock.read_text(encoding="utf-8"))["package"]:
        if package["name"] == name:
            files = [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
            hashes = " ".join(f"--hash={file['hash']}" for file in files)
            return f"{name}=={package['version']} {hashes}"
    raise LookupError(f"{lock} has no package {name}")


if __name__ == "__main__":
    print(requirement(Path(__file__).parent.parent / "uv.lock", sys.argv[1]))
