"""A master with replicas, and the sentinels that watch them: real processes on the loopback."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

import redis

from tests.support.stores import START_DEADLINE_S, StoreBinary, StoreServer
from tests.support.waiting import wait_until

SERVICE = "main-store"
QUICK_MS = 300
"""Silence after which a quick set takes a server for dead."""
PATIENT_MS = 5000
"""The same where a server may be frozen for a while without being replaced."""


class SentinelServer(StoreServer):
    """
    One sentinel.

    Args:
        binary: Which program; every server is a sentinel as well.

    Attributes:
        identity: Its name among sentinels.
    """

    def __init__(self, binary: StoreBinary) -> None:
        super().__init__(binary)
        self.identity = token_hex(20)

    def configure(self, *lines: str) -> None:
        """Write its configuration, which it keeps its memory in from then on."""
        own = (
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.directory}",
            f"logfile {self._log}",
            f"sentinel myid {self.identity}",
        )
        (self.directory / "sentinel.conf").write_text("\n".join((*own, *lines)) + "\n")

    def command(self, *words: str | int) -> Any:
        with redis.Redis.from_url(self.tcp_url, socket_timeout=START_DEADLINE_S) as client:
            return client.execute_command(*words)

    def _arguments(self) -> list[str]:
        return [str(self.directory / "sentinel.conf"), "--sentinel"]


class SentinelSet:
    """
    A master, replicas of it, and three sentinels.

    Args:
        binary: Which program.
        replicas: How many.
        down_after_ms: Silence after which a server is taken for dead.
        options: Further options of master and replicas.

    Attributes:
        servers: Master and replicas, in whatever role.
        sentinels: The sentinels.
        url: Where a store finds them.
    """

    def __init__(
        self,
        binary: StoreBinary,
        *options: str,
        replicas: int = 1,
        down_after_ms: int = QUICK_MS,
    ) -> None:
        first = StoreServer(binary, *_PROMPT, *options)
        follow = ("--replicaof", "127.0.0.1", str(first.port))
        self.servers = [
            first,
            *(StoreServer(binary, *follow, *_PROMPT, *options) for _ in range(replicas)),
        ]
        self.sentinels = [SentinelServer(binary) for _ in range(3)]
        self._down_after_ms = down_after_ms
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        self.url = f"redis+sentinel://{places}/{SERVICE}"

    def start(self) -> None:
        """Start everything, and wait until a failover would succeed."""
        for sentinel in self.sentinels:
            sentinel.configure(*self._lines(sentinel))
        for server in (*self.servers, *self.sentinels):
            server.launch()
        for server in (*self.servers, *self.sentinels):
            server.wait()
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Wait until every replica follows the master, and every sentinel knows that."""
        wait_until(self._is_whole, 3 * START_DEADLINE_S, what="master and replicas are in step")

    @property
    def master(self) -> StoreServer:
        """The server that the sentinels take for the master, or most of them do."""
        ports = [self._master_port(sentinel) for sentinel in self.sentinels]
        port = max(set(ports), key=ports.count)
        return next(server for server in self.servers if server.port == port)

    def close(self) -> None:
        """End everything and remove its files."""
        for server in (*self.sentinels, *self.servers):
            server.close()

    def _lines(self, sentinel: SentinelServer) -> list[str]:
        first, *replicas = self.servers
        others = [other for other in self.sentinels if other is not sentinel]
        return [
            f"sentinel monitor {SERVICE} 127.0.0.1 {first.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {self._down_after_ms}",
            f"sentinel failover-timeout {SERVICE} 5000",
            *(f"sentinel known-replica {SERVICE} 127.0.0.1 {each.port}" for each in replicas),
            *(
                f"sentinel known-sentinel {SERVICE} 127.0.0.1 {each.port} {each.identity}"
                for each in others
            ),
        ]

    def _is_whole(self) -> bool:
        master = self.master
        replicas = [server for server in self.servers if server is not master]
        if master.command("ROLE")[0] != b"master" or not all(map(_follows, replicas)):
            return False
        return all(
            len(sentinel.command("SENTINEL", "REPLICAS", SERVICE)) == len(replicas)
            and self._master_port(sentinel) == master.port
            for sentinel in self.sentinels
            if sentinel.is_running
        )

    @staticmethod
    def _master_port(sentinel: SentinelServer) -> int:
        if not sentinel.is_running:
            return 0
        _, port = sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(port)


_PROMPT = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
"""Replicas are brought into step at once."""


def _follows(server: StoreServer) -> bool:
    role = server.command("ROLE")
    return bool(role[0] == b"slave" and role[3] == b"connected")
