"""Settings of subscribing: channel lists, waits, pings, what one answer may hold."""

from __future__ import annotations

from dataclasses import dataclass

from broker.settings.declare import setting
from broker.settings.measures import Bytes, Seconds, Whole


@dataclass(frozen=True, kw_only=True)
class Subscribing:
    """Subscribers."""

    max_channels: int = setting(
        Whole(1, 1000, "channels"),
        50,
        doc="Channels of one connection.",
        why="The limit of this dialect (D13).",
    )
    max_channel_bytes: int = setting(
        Bytes(16, 1024),
        256,
        doc="Length of a channel's name.",
        why="Names carry a kind and one or two ids; what is longer is a mistake.",
    )
    longpoll_timeout_s: float = setting(
        Seconds(0.05, 3600.0),
        25.0,
        doc="Time for which a long poll is held.",
        why="The hold of this dialect (D11); proxies commonly give up after 30 or 60.",
    )
    max_poll_bytes: int = setting(
        Bytes(1024, 256 * 2**20),
        2**20,
        doc="Length of a poll's answer, always at least one message; the rest comes with the "
        "next one.",
        why="A second on a slow line; who has missed more polls again at once.",
    )
    ping_interval_s: float = setting(
        Seconds(1.0, 3600.0),
        10.0,
        doc="Time between two messages of the channel `ping`.",
        why="Clients of this dialect expect one every 10 seconds and warn after 60.",
    )
    heartbeat_s: float = setting(
        Seconds(1.0, 3600.0),
        15.0,
        doc="Time between two signs of life on event streams that do not have the channel `ping`.",
        why="What the HTML standard advises: proxies commonly give up after a minute of silence.",
    )
    websocket_ping_s: float = setting(
        Seconds(1.0, 3600.0),
        30.0,
        doc="Silence after which a WebSocket is pinged; after two pings without a sign of life it "
        "is closed.",
        why="Shorter than proxies' usual minute of silence, and a dead peer is gone in two.",
    )
    max_frame_bytes: int = setting(
        Bytes(125, 2**20),
        16_384,
        doc="Length of a message from a WebSocket subscriber; a longer one closes with 1009.",
        why="All that subscribers have to say is a new token, of 8 KiB at most by default.",
    )
    deflate_bytes: int = setting(
        Bytes(0, 2**30),
        512,
        doc="Length of messages from which on they are compressed for WebSockets that offer it; "
        "0: for none.",
        why="A message is compressed once for all of them; shorter ones gain less than they cost.",
    )
    max_waiting_subscribers: int = setting(
        Whole(1, 10_000_000, "subscribers"),
        10_000,
        doc="Subscribers that may wait at once for the store before they can begin; more are "
        "refused with 503 and come back later.",
        why="Everybody of a busy process coming back at once; one that waits takes up to 14 KiB.",
    )
    max_subject_connections: int = setting(
        Whole(0, 10_000_000, "subscribers"),
        0,
        doc="Subscriptions that the tokens of one subject (`sub`) may have open at one process; "
        "more are refused with 429. 0: any number.",
        why="What a subject is, one person or all visitors of a site, is the issuer's affair.",
    )
    max_idle_channels: int = setting(
        Whole(1000, 10_000_000, "channels"),
        50_000,
        doc="Channels that a process listens to for nobody, so that the next poll or a quick "
        "reconnect needs no store; beyond it, those used least go early.",
        why="Ten thousand clients that poll lists of five, for some 150 MiB; whoever polls made-up "
        "names costs no more.",
    )
    known_requests: int = setting(
        Whole(0, 10_000_000, "requests"),
        10_000,
        doc="Requests of subscribers that are remembered, so that the same one with a new cursor "
        "needs no parsing; 0 parses all of them.",
        why="Some 10 MiB for ten thousand clients that poll or come back.",
    )
