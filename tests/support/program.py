"""The program of the broker as a process: started, listened to, signalled, ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
import ctypes
import os
import signal
import subprocess
import sys

from tests.support.waiting import eventually

PROGRAM = (sys.executable, "-m", "broker")
"""How the program is started: that of the tree under test, with the tests' own Python."""

END_DEADLINE_S = 10.0
"""Seconds that a process may take to end once it was told to."""

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Program:
    """
    One running `broker VERB`; as a context manager it is killed at the end.

    What it prints goes to files, so that it never waits for a reader.

    Args:
        words: The verb and everything behind it.
        directory: Working directory and place of the files; must exist.
        environ: Variables beside those of the tests' own environment.
        stdin: What it reads from standard input.

    Attributes:
        out: File with its standard output.
        err: File with its standard error.
    """

    def __init__(
        self,
        *words: str,
        directory: Path,
        environ: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> None:
        name = f"{words[0]}-{len(list(directory.glob('*.out'))):03}"
        self.out = directory / f"{name}.out"
        self.err = directory / f"{name}.err"
        given = directory / f"{name}.in"
        given.write_text(stdin)
        unbuffered = {"PYTHONUNBUFFERED": "1"}
        with given.open() as source, self.out.open("xb") as out, self.err.open("xb") as err:
            # Not waited for here: `ended` and `kill` do.
            self._process = subprocess.Popen(
                [*PROGRAM, *words],
                cwd=directory,
                env={**os.environ, **unbuffered, **(environ or {})},
                stdin=source,
                stdout=out,
                stderr=err,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it makes one system call
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        print(f"{self} said:\n{self.said()}")  # pytest shows it where a test fails

    def __str__(self) -> str:
        return f"process {self.pid} ({self.out.stem})"

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def lines(self) -> list[str]:
        """Return the whole lines that it has printed so far."""
        return self.out.read_text(errors="replace").rpartition("\n")[0].splitlines()

    def said(self, limit: int = 4000) -> str:
        """Return the end of what it printed, both ways."""
        texts = (file.read_text(errors="replace")[-limit:] for file in (self.out, self.err))
        return "\n".join(filter(None, texts))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def ended(self, deadline_s: float = END_DEADLINE_S) -> int:
        """
        Wait for its end and return the exit code.

        Raises:
            AssertionError: it goes on; what it said is in the message.
        """
        try:
            await eventually(lambda: self.code is not None, deadline_s, what=f"{self} ends")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.said()}") from late
        return self._process.returncode

    def kill(self) -> None:
        """End it at once, as a power cut would; again does nothing."""
        self._process.kill()
        self._process.wait(END_DEADLINE_S)


def die_with_parent() -> None:
    """Have the kernel end the process when the test run is killed."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
