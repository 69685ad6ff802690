"""Command lines as a person types them: run by Bash, listened to, ended with all they started."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self
import os
import signal
import subprocess
import sys

from tests.support.waiting import eventually

TOOLS = Path(sys.executable).parent
"""Where the programs of the environment under test are, `broker` among them."""

END_DEADLINE_S = 10.0


class Shell:
    """
    One running command line; as a context manager it is killed at the end.

    The first command that fails ends it, in pipes too.

    Args:
        text: What is typed.
        directory: Where.
        environ: Variables beside those of the tests' own environment, without those of `make`.
    """

    def __init__(self, text: str, directory: Path, environ: Mapping[str, str]) -> None:
        self.text = text
        self._out, self._err = TemporaryFile(), TemporaryFile()  # noqa: SIM115 - closed at the end
        inherited = {name: value for name, value in os.environ.items() if "MAKE" not in name}
        path = os.pathsep.join((str(TOOLS), os.environ["PATH"]))
        self._process = subprocess.Popen(
            ["bash", "-eo", "pipefail", "-c", text],
            cwd=directory,
            env={**inherited, "PATH": path, **environ},
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            start_new_session=True,  # what it starts is ended with it
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait(END_DEADLINE_S)
        print(f"$ {self.text}\n{self.out}{self.err}")  # pytest shows it where a test fails
        self._out.close()
        self._err.close()

    @property
    def out(self) -> str:
        """What it has printed so far on standard output."""
        return _read(self._out)

    @property
    def err(self) -> str:
        """What it has printed so far on standard error."""
        return _read(self._err)

    @property
    def code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all that it started, as Ctrl-C does."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    async def spoken(self, deadline_s: float = END_DEADLINE_S) -> None:
        """
        Wait until it has printed anything.

        Raises:
            AssertionError: it has not.
        """
        await eventually(
            lambda: self.out + self.err, deadline_s, what=f"{self.text} prints something"
        )

    async def ended(self, deadline_s: float = END_DEADLINE_S) -> int:
        """
        Wait for its end and return the exit code.

        Raises:
            AssertionError: it goes on.
        """
        await eventually(lambda: self.code is not None, deadline_s, what=f"{self.text} ends")
        return self._process.returncode


def _read(file: IO[bytes]) -> str:
    return os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace")
