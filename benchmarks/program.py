"""The load generator: built from `load/` with the C compiler, run once per measurement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
import json
import shutil
import subprocess

SOURCES = Path(__file__).parent / "load"
BUILD_S = 120.0


class Unbuildable(RuntimeError):
    """The load generator cannot be built here; the text says what is missing."""


class Failed(RuntimeError):
    """The load generator ended without a result; the text is what it said."""


class LoadProgram:
    """
    The built program.

    Args:
        path: The executable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def build(cls, directory: Path) -> LoadProgram:
        """
        Compile into a directory.

        Raises:
            Unbuildable: There is no compiler or make, or they failed.
        """
        for tool in ("make", "cc"):
            if shutil.which(tool) is None:
                raise Unbuildable(f"the load generator needs {tool}, which is not installed")
        made = subprocess.run(
            ["make", "-s", "-C", str(SOURCES), f"BUILD={directory.resolve()}"],
            capture_output=True,
            text=True,
            timeout=BUILD_S,
            check=False,
        )
        if made.returncode:
            raise Unbuildable(f"the load generator cannot be built:\n{made.stderr.strip()}")
        return cls(directory / "load")

    def run(self, arguments: Sequence[str], limit_s: float) -> dict[str, Any]:
        """
        Measure once.

        Args:
            arguments: As in `load --help`.
            limit_s: Longest time that it may take, in seconds.

        Raises:
            Failed: It ended with an error, or not in time.
        """
        command = [str(self._path), *arguments, "--limit", f"{limit_s:g}"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=limit_s + 30.0, check=False
            )
        except subprocess.TimeoutExpired as exc:
            raise Failed(f"no result after {exc.timeout:g} s") from exc
        if done.returncode:
            raise Failed(done.stderr.strip() or f"ended with {done.returncode}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result
