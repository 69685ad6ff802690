"""
A client for asyncio: subscriptions that resume by themselves, and publishing that stores once.

`Client` is the way in; `Subscription` is what it gives subscribers.
"""

from __future__ import annotations

from broker.client.client import Client
from broker.client.errors import (
    ClientError,
    Closed,
    Refused,
    Unauthorized,
    Unreachable,
    Unreadable,
)
from broker.client.message import Gap, Message
from broker.client.options import ClientOptions, Transport
from broker.client.publishing import Item
from broker.client.subscription import Subscription
from broker.core.cursor import START, Cursor
from broker.core.message import Stamp

__all__ = [
    "START",
    "Client",
    "ClientError",
    "ClientOptions",
    "Closed",
    "Cursor",
    "Gap",
    "Item",
    "Message",
    "Refused",
    "Stamp",
    "Subscription",
    "Transport",
    "Unauthorized",
    "Unreachable",
    "Unreadable",
]
