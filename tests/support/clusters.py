"""A cluster of real servers on the loopback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from tests.support.stores import START_DEADLINE_S, StoreBinary, StoreServer, free_port
from tests.support.waiting import wait_until

QUICK_MS = 500
"""Silence after which a quick cluster takes a server for dead."""
PATIENT_MS = 5000
"""The same where a server may be frozen for a while without being replaced."""


class ClusterSet:
    """
    Three masters, each with as many replicas.

    Args:
        binary: Which program.
        options: Further options of every server.
        replicas: Of each master.
        node_timeout_ms: Silence after which a server is taken for dead.

    Attributes:
        servers: All servers, masters first, as they were at the start.
        url: Where a store finds them.
    """

    def __init__(
        self,
        binary: StoreBinary,
        *options: str,
        replicas: int = 0,
        node_timeout_ms: int = QUICK_MS,
    ) -> None:
        common = (
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(node_timeout_ms)),
            *("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"),
            *options,
        )
        self._bus_ports = [free_port() for _ in range(3 * (1 + replicas))]
        self.servers = [
            StoreServer(binary, "--cluster-port", str(port), *common) for port in self._bus_ports
        ]
        places = ",".join(f"127.0.0.1:{server.port}" for server in self.servers[:2])
        self.url = f"redis+cluster://{places}"

    def start(self) -> None:
        """Start every server, and wait until all slots are served."""
        for server in self.servers:
            server.launch()
        for server in self.servers:
            server.wait()
        for epoch, server in enumerate(self.servers, 1):
            server.command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        for number, master in enumerate(self.servers[:3]):
            from_, past = (REDIS_CLUSTER_HASH_SLOTS * each // 3 for each in (number, number + 1))
            master.command("CLUSTER", "ADDSLOTSRANGE", from_, past - 1)
        for server, bus_port in zip(self.servers[1:], self._bus_ports[1:], strict=True):
            self.servers[0].command("CLUSTER", "MEET", "127.0.0.1", server.port, bus_port)
        wait_until(self._is_met, 3 * START_DEADLINE_S, what="all servers know one another")
        for number, replica in enumerate(self.servers[3:]):
            identity = self.servers[number % 3].command("CLUSTER", "MYID")
            replica.command("CLUSTER", "REPLICATE", identity.decode())
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Wait until every running server finds the cluster in order, replicas in step."""
        wait_until(self._is_whole, 3 * START_DEADLINE_S, what="the cluster is in order")

    def server_of(self, key: str) -> StoreServer:
        """Return the master that has a key."""
        slot = key_slot(key.encode())
        for server in self.running:
            for first, last, (_, port, *_), *_ in server.command("CLUSTER", "SLOTS"):
                if first <= slot <= last:
                    return next(each for each in self.servers if each.port == port)
        raise AssertionError(f"nobody has slot {slot}")

    @property
    def running(self) -> Sequence[StoreServer]:
        """The servers that were not ended."""
        return [server for server in self.servers if server.is_running]

    @property
    def masters(self) -> list[StoreServer]:
        """Those that have slots, as the first running one sees it."""
        ranges: list[Any] = self.running[0].command("CLUSTER", "SLOTS")
        ports = {master[1] for _, _, master, *_ in ranges}
        return [server for server in self.servers if server.port in ports]

    def close(self) -> None:
        """End every server and remove its files."""
        for server in self.servers:
            server.close()

    def _is_met(self) -> bool:
        return all(
            len(server.command("CLUSTER", "NODES").splitlines()) == len(self.servers)
            and _info(server)["cluster_state"] == "ok"
            for server in self.servers
        )

    def _is_whole(self) -> bool:
        running = self.running
        if any(_info(server)["cluster_state"] != "ok" for server in running):
            return False
        masters = self.masters
        replicas = [server for server in running if server not in masters]
        return len(masters) == 3 and all(
            (role := replica.command("ROLE"))[0] == b"slave" and role[3] == b"connected"
            for replica in replicas
        )


def _info(server: StoreServer) -> dict[str, str]:
    lines = server.command("CLUSTER", "INFO").decode().splitlines()
    return dict(line.split(":", 1) for line in lines)
