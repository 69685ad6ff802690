"""Channels on `websockets`: subscribers on one port, `POST /publish/<channel>` on another."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve
import uvloop

ROOMS: defaultdict[str, set[ServerConnection]] = defaultdict(set)


async def subscribe(connection: ServerConnection) -> None:
    """Stay in the rooms that the path names for as long as the connection lasts."""
    assert connection.request is not None
    channels = connection.request.path.removeprefix("/subscribe/").split(",")
    for channel in channels:
        ROOMS[channel].add(connection)
    try:
        await connection.wait_closed()
    finally:
        for channel in channels:
            ROOMS[channel].discard(connection)


async def publish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one publisher's requests, one after the other."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(line for line in head.split("\r\n") if line.startswith("Content-Length"))
            body = (await reader.readexactly(int(length.partition(":")[2]))).decode()
            channel = head.split(" ", 2)[1].removeprefix("/publish/")
            broadcast(ROOMS[channel], f'{{"channel":"{channel}","message":{body}}}')
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
    writer.close()


async def main(subscribe_port: int, publish_port: int) -> None:
    """Serve until killed."""
    publishing = await asyncio.start_server(publish, "127.0.0.1", publish_port)
    async with (
        publishing,
        serve(subscribe, "127.0.0.1", subscribe_port, compression=None, backlog=4096) as server,
    ):
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
