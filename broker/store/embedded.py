"""The default store: a private Valkey, started on the machine of the broker."""

from __future__ import annotations

from pathlib import Path
from subprocess import SubprocessError
from typing import Final
from urllib.parse import quote
import asyncio
import logging

from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from broker.store.server import PrivateServer

_log = logging.getLogger(__name__)

_MIND_S: Final = 1.0
"""How often a user of the private server looks whether it is still kept."""


class EmbeddedStore(RedisStore):
    """
    A `RedisStore` on a server of its own, with an append-only file in the data directory.

    All brokers and workers of a machine with the same data directory share one server. The first
    starts it; it stops when the last has closed its store, or was killed (see `keeper`), and the
    next reads the append-only file. Should the server crash, it is started again meanwhile.

    Args:
        data_dir: The data directory; made where it is not there, readable by this user only.
        options: Deadline, expiries and bounds.
    """

    def __init__(self, data_dir: Path, options: StoreOptions | None = None) -> None:
        self._server = PrivateServer(data_dir)
        self._minder: asyncio.Task[None] | None = None
        super().__init__(f"unix://{quote(self._server.socket)}", options)

    async def open(self) -> None:
        await asyncio.to_thread(self._server.start)
        self._minder = asyncio.create_task(self._mind())
        try:
            await super().open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        if self._minder is not None:
            self._minder.cancel()
            await asyncio.gather(self._minder, return_exceptions=True)
        await super().close()
        await asyncio.to_thread(self._server.leave)

    async def _mind(self) -> None:
        while True:
            await asyncio.sleep(_MIND_S)
            try:
                await asyncio.to_thread(self._server.mind)
            except (OSError, SubprocessError):
                _log.exception("The keeper of the private server cannot be started again.")
