"""A listener takes several who come at once in one turn of the loop."""

from __future__ import annotations

from contextlib import ExitStack
import asyncio
import socket

from aiohttp import web
import pytest

from broker.settings import ListenAddress
from broker.transports.listener import (
    ACCEPTS,
    CannotListen,
    HttpListener,
    ListenOptions,
    listen,
    reserve,
)

CLIENTS = 60


class Counted(asyncio.Protocol):
    """A connection that does nothing; `made` counts all of them."""

    made = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        del transport
        Counted.made += 1


async def answer(_: web.BaseRequest) -> web.Response:
    """Answer; nobody asks."""
    return web.Response()


async def test_those_who_come_at_once_do_not_wait_a_turn_each() -> None:
    """A queue of connections is worked off several a turn, however long a turn is."""
    Counted.made = 0
    address = ListenAddress("127.0.0.1", 0)
    listener = HttpListener(web.Server(answer), address, ListenOptions(), Counted)
    await listener.open()
    turns = 0
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", listener.address.port))
        async with asyncio.timeout(10):
            while Counted.made < CLIENTS:
                await asyncio.sleep(0)
                turns += 1
        assert turns <= CLIENTS / ACCEPTS + 5
    await listener.close()


def test_an_address_that_cannot_be_had_is_told_with_what_sets_it() -> None:
    """Taken by another program, or of another machine; alone and for several workers."""
    options = ListenOptions(setting="--public or BROKER_PUBLIC")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        mine = ListenAddress("127.0.0.1", taken.getsockname()[1])
        other = ListenAddress("192.0.2.1", mine.port)
        for address, reason in (
            (mine, "another program listens there, perhaps a broker that runs already"),
            (other, "this machine has no such address"),
        ):
            told = f"{address}: {reason}; choose another address with --public or BROKER_PUBLIC"
            with pytest.raises(CannotListen) as caught:
                listen(address, options)
            assert f"cannot listen on {told}" == str(caught.value)
            with pytest.raises(CannotListen) as caught, reserve(address, options.setting):
                pass
            assert f"cannot listen on {told}" == str(caught.value)
