"""A store whose wall clock can be stepped while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.stores import EMBEDDED, StoreServer

_PLACES = (Path("/usr/lib"), Path("/usr/lib64"), Path("/usr/local/lib"))


class SteppedServer(StoreServer):
    """
    A server that sees another time than the machine; its timers are not touched.

    Args:
        library: The library libfaketime.
        options: Further options.
    """

    def __init__(self, library: Path, *options: str) -> None:
        # Debian's Redis does not start with the library.
        super().__init__(EMBEDDED, *options)
        self._offset = self.directory / "offset"
        self.step(0)
        start = self.directory / "start"
        start.write_text(
            "#!/bin/sh\n"
            f"export LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={self._offset}\n"
            "export FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1\n"
            f'exec {EMBEDDED.path} "$@"\n'
        )
        start.chmod(0o700)
        self.binary = replace(EMBEDDED, path=start)

    def step(self, seconds: int) -> None:
        """Set the server's clock to so many seconds off the machine's."""
        ready = self._offset.with_suffix(".new")
        ready.write_text(f"{seconds:+}\n")
        ready.replace(self._offset)

    @property
    def time(self) -> int:
        """The server's clock, in whole seconds."""
        return int(self.command("TIME")[0])


def faketime_library() -> Path | None:
    """Return the library that steps clocks, where it is installed."""
    found = (path for place in _PLACES for path in place.glob("**/faketime/libfaketime.so.1"))
    return next(found, None)


@pytest.fixture
def start_stepped() -> Iterator[Callable[..., SteppedServer]]:
    """Give a function that starts a server whose clock can be stepped."""
    library = faketime_library()
    if library is None:
        pytest.skip("no libfaketime here; it comes with Debian's package faketime")
    started: list[SteppedServer] = []

    def start(*options: str) -> SteppedServer:
        server = SteppedServer(library, *options)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.close()
