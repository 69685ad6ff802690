"""Settings of the process: listeners, workers, files, logs, starting and stopping."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from broker.settings.declare import setting
from broker.settings.kinds import Choice, FilePath, Listen, Networks, Url
from broker.settings.measures import Seconds, Whole
from broker.settings.values import ListenAddress

PACKAGED_CONFIG = Path(__file__).parent.parent / "channels.yaml"
"""The channel rules that come with the broker."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """Listeners and processes."""

    public: ListenAddress = setting(
        Listen(),
        ListenAddress("127.0.0.1", 8080),
        doc="Where subscribers connect.",
        why="Nothing is open to other machines until it is asked for.",
    )
    internal: ListenAddress = setting(
        Listen(),
        ListenAddress("127.0.0.1", 8081),
        doc="Where publishers, operators and monitoring connect; needs `api_keys` when other "
        "machines can reach it.",
        why="Publishing is kept apart from the address that browsers reach.",
    )
    workers: int = setting(
        Whole(1, 256),
        1,
        doc="Processes that share the listeners.",
        why="One process fills one core, and most installations need no more.",
    )
    data: Path = setting(
        FilePath(),
        Path("data"),
        doc="Directory of the private store, the generated token secret and sockets; made on "
        "first start.",
        why="A first start needs no rights outside the working directory.",
    )
    config: Path = setting(
        FilePath(),
        PACKAGED_CONFIG,
        shown="./channels.yaml where it exists, else the packaged one",
        doc="Channel rules.",
        why="A directory with rules of its own uses them, any other one starts all the same.",
    )
    max_connections: int = setting(
        Whole(1, 10_000_000, "connections"),
        100_000,
        doc="Public connections of all `workers` together, each of which takes an equal part; more "
        "are refused with 503. Where fewer files may be open, it is as many as those allow.",
        why="At 4 KiB each they take 400 MiB, which a small machine can give. The kernel spreads "
        "connections evenly, so parts fill up together.",
    )
    max_internal_connections: int = setting(
        Whole(1, 1_000_000, "connections"),
        1000,
        doc="Connections of publishers and operators to one process; more are refused with 503.",
        why="Publishers keep a few open and use them again.",
    )
    max_address_connections: int = setting(
        Whole(0, 10_000_000, "connections"),
        0,
        doc="Connections of one client address to one process, of IPv6 one network of 64 bits; "
        "more are refused with 429. Behind `trusted_proxies` it counts subscriptions. 0: any "
        "number.",
        why="Offices and mobile networks share addresses, and behind a proxy everybody has the "
        "proxy's until it is trusted.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        Networks(),
        (),
        shown="none",
        doc="Proxies whose word on a client's address is taken: addresses, networks, or `unix` "
        "for who connects to a unix socket.",
        why="Whoever reaches the listener directly could claim any address.",
    )
    forwarded_header: str = setting(
        Choice(("x-forwarded-for", "forwarded")),
        "x-forwarded-for",
        doc="Header in which trusted proxies name the client; the other one is not read.",
        why="Proxies commonly set this one, and would pass a client's own `Forwarded` on unseen.",
    )
    peer_timeout_s: float = setting(
        Seconds(5.0, 86_400.0),
        300.0,
        doc="Time after which a client is given up whose machine answers nothing, or that takes "
        "nothing of what waits for it.",
        why="A reader may pause for minutes and lose nothing; the kernel alone would keep a dead "
        "one for a quarter of an hour.",
    )
    accept_backlog: int = setting(
        Whole(1, 65_535, "connections"),
        4096,
        doc="Connections that the kernel keeps waiting for a process to accept them.",
        why="Everybody coming back after a restart waits in line instead of being refused; also "
        "what Linux allows by default.",
    )
    request_timeout_s: float = setting(
        Seconds(0.1, 3600.0),
        10.0,
        doc="Time in which the head of a request must have arrived, or its connection is closed.",
        why="Slow networks need a few seconds; a client that dawdles on purpose holds no more.",
    )
    drain_s: float = setting(
        Seconds(0.0, 3600.0),
        10.0,
        doc="Time over which a process that stops sends its subscribers away.",
        why="Subscribers come back spread out, and within the grace that supervisors commonly "
        "give before they kill.",
    )
    retry_after_s: float = setting(
        Seconds(0.0, 3600.0),
        20.0,
        doc="Earliest time after which a client that was sent away is asked to come back.",
        why="Clients of this dialect wait 20 to 30 seconds after a failure (D49).",
    )
    retry_jitter_s: float = setting(
        Seconds(0.0, 3600.0),
        10.0,
        doc="Random time added to `retry_after_s`.",
        why="Together with it: the 20 to 30 seconds of D49, without a crowd at the end.",
    )
    log_level: str = setting(
        Choice(("debug", "info", "warning", "error")),
        "info",
        doc="Least important kind of line that is logged.",
        why="Starts, stops and faults are seen; single requests are not.",
    )
    log_format: str = setting(
        Choice(("text", "json")),
        "text",
        doc="Form of a log line.",
        why="The first reader is a person at a terminal.",
    )
    trace_endpoint: str = setting(
        Url(("http://", "https://")),
        "",
        shown="empty: no tracing",
        doc="Where spans of some publishes are sent by OTLP over HTTP, as "
        "`http://127.0.0.1:4318/v1/traces`; needs the extra `tracing`.",
        why="Nothing is sent anywhere, and nothing is spent on it, until it is asked for.",
    )
