"""
Publishes made-up events, a few a second, until it is stopped.

Each is tried again until the broker has it, and stored once all the same: restart the broker while
this runs, and no number is left out or comes twice.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random

from broker.client import Client, ClientError, Unreachable

KINDS = ("page_viewed", "button_pressed", "cart_changed", "order_placed")


async def publish(client: Client, channel: str, number: int) -> None:
    """Store one event, however long the broker is away."""
    kind = random.choice(KINDS)
    event = {"number": number, "kind": kind}
    key = ""
    while True:
        try:
            (stamp,) = await client.publish(channel, event, event_type=kind, idempotency_key=key)
        except Unreachable as away:
            key = away.idempotency_key  # the same key: it may be stored already
            print(away, flush=True)
        else:
            print(f"{stamp.cursor} {channel} {stamp.id} {event}", flush=True)
            return


async def run(args: argparse.Namespace) -> None:
    """Publish so many a second, `--count` in all."""
    key = os.environ.get("BROKER_API_KEY", "")
    async with Client(internal=args.internal, api_key=key) as client:
        number = 0
        while number != args.count:
            number += 1
            await asyncio.gather(
                publish(client, args.channel, number), asyncio.sleep(1 / args.rate)
            )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("channel", help="where to publish, as event.100.7")
    place = os.environ.get("BROKER_INTERNAL", "127.0.0.1:8081")
    parser.add_argument("--internal", default=f"http://{place}", help="default: %(default)s")
    parser.add_argument("--rate", type=float, default=2.0, help="a second; default: %(default)s")
    parser.add_argument("--count", type=int, default=-1, help="how many; default: no end")
    try:
        asyncio.run(run(parser.parse_args()))
    except (ClientError, ValueError) as wrong:  # a channel that there is not, a key, an address
        raise SystemExit(f"publisher: {wrong}") from None
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
