"""WebSocket libraries with the shortest server that fans out: no history, no authorization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
import json
import shutil
import subprocess
import sys

from benchmarks.peers.base import Interface, Running
from benchmarks.processes import Child, accepts, free_port, server_cpus
from benchmarks.workloads import Transport, Workload

SERVERS = Path(__file__).parent / "servers"
INSTALL_S = 180.0


class SocketServer:
    """A server of one of these libraries, serving."""

    def __init__(self, child: Child, interface: Interface) -> None:
        self._child = child
        self._interface = interface

    @property
    def interface(self) -> Interface:
        return self._interface

    def stop(self) -> None:
        self._child.stop()


def fans_out(workload: Workload) -> bool:
    """Whether a workload asks for nothing but connections and live messages."""
    return workload.transport is Transport.WEBSOCKET and not workload.storm and not workload.alone


def _start(
    command: Sequence[str],
    ports: Sequence[int],
    workload: Workload,
    directory: Path,
    interface: Callable[[int], Interface],
) -> SocketServer:
    child = Child(
        [*command, *map(str, ports)],
        directory / "output.log",
        server_cpus() if workload.pinned else None,
    )
    child.wait_until(lambda: all(accepts(port) for port in ports), command[-1])
    return SocketServer(child, interface(child.pid))


class Websockets:
    """The library `websockets` for Python, on uvloop."""

    name = "websockets"

    def missing(self) -> str | None:
        return None if find_spec("websockets") else "the Python package websockets is missing"

    def version(self) -> str:
        return f"websockets {version('websockets')} on uvloop {version('uvloop')}"

    def supports(self, workload: Workload) -> bool:
        return fans_out(workload)

    def start(self, workload: Workload, directory: Path) -> Running:
        ports = free_port(), free_port()

        def interface(pid: int) -> Interface:
            return Interface(
                pids=(pid,),
                subscribe=f"127.0.0.1:{ports[0]}/subscribe/{{channels}}",
                publish=f"127.0.0.1:{ports[1]}/publish/{{channel}}",
                separator=",",
            )

        command = [sys.executable, str(SERVERS / "websockets_server.py")]
        return _start(command, ports, workload, directory, interface)


class NodePeer:
    """
    A library for Node, installed from `package-lock.json` when it is first asked for.

    Args:
        name: Its name in the report.
        package: Its name in the registry.
        script: The server.
        subscribe: Path of a subscriber.
        extra: Further arguments of the load generator.
    """

    def __init__(
        self, name: str, package: str, script: str, subscribe: str, extra: Sequence[str] = ()
    ) -> None:
        self.name = name
        self._package = package
        self._script = script
        self._subscribe = subscribe
        self._extra = extra

    def missing(self) -> str | None:
        for tool in ("node", "npm"):
            if shutil.which(tool) is None:
                return f"{tool} is not installed"
        if not self._manifest().exists():
            return self._install()
        return None

    def version(self) -> str:
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
        number = json.loads(self._manifest().read_text())["version"]
        return f"{self._package} {number} on Node {node.stdout.strip().removeprefix('v')}"

    def supports(self, workload: Workload) -> bool:
        return fans_out(workload)

    def start(self, workload: Workload, directory: Path) -> Running:
        port = free_port()

        def interface(pid: int) -> Interface:
            return Interface(
                pids=(pid,),
                subscribe=f"127.0.0.1:{port}{self._subscribe}",
                publish=f"127.0.0.1:{port}/publish/{{channel}}",
                separator=",",
                extra=self._extra,
            )

        command = ["node", str(SERVERS / self._script)]
        return _start(command, (port,), workload, directory, interface)

    def _manifest(self) -> Path:
        return SERVERS / "node_modules" / self._package / "package.json"

    def _install(self) -> str | None:
        """Install both Node peers; return why that did not work."""
        try:
            done = subprocess.run(
                ["npm", "ci", "--no-audit", "--no-fund"],
                cwd=SERVERS,
                capture_output=True,
                text=True,
                timeout=INSTALL_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"npm did not install it within {INSTALL_S:g} s"
        return None if done.returncode == 0 else f"npm cannot install it: {done.stderr[-300:]}"


def ws() -> NodePeer:
    """Return the peer ws."""
    return NodePeer("ws", "ws", "ws_server.js", "/subscribe/{channels}")


def socket_io() -> NodePeer:
    """Return the peer Socket.IO, over WebSocket, spoken to in Engine.IO 4."""
    return NodePeer(
        "socket.io",
        "socket.io",
        "socketio_server.js",
        "/socket.io/?EIO=4&transport=websocket&channels={channels}",
        ("--hello", "40", "--ready-prefix", "40", "--echo", "2=3"),
    )
