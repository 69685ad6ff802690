"""The broker itself, as `broker serve` starts it, with its private store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import http.client
import subprocess
import sys

from benchmarks.peers.base import Interface, Running
from benchmarks.processes import Child, free_port, mentioning, server_cpus, wait_gone
from benchmarks.workloads import Transport, Workload

CHANNELS = """\
version: 1

defaults:
  history: {messages: 1000, age: 1h}

channels:
  - name: bench.{n}
    subscribe: public
  - name: member.{n}
    subscribe:
      - {}
"""
"""Channel rules of a measurement; `member` channels ask for a token, `bench` ones do not."""

PATHS = {
    Transport.WEBSOCKET: "websocket",
    Transport.SSE: "eventsource",
    Transport.LONGPOLL: "longpoll",
    Transport.SHORTPOLL: "shortpoll",
}

BATCH_BODY = '{"channel":"{channel}","message":"{payload}"}'


def _program() -> str:
    return str(Path(sys.executable).with_name("broker"))


class BrokerServer:
    """
    A broker, serving.

    Args:
        child: Its first process.
        store: The processes of its private store, which are no children of it and end after it.
        interface: How it is spoken to.
    """

    def __init__(self, child: Child, store: list[int], interface: Interface) -> None:
        self._child = child
        self._store = store
        self._interface = interface

    @property
    def interface(self) -> Interface:
        return self._interface

    def stop(self) -> None:
        self._child.stop()
        wait_gone(self._store)


class Broker:
    """
    The broker: one worker on uvloop, 1,000 messages kept per channel, in its private Valkey.

    Args:
        environment: Settings besides, for example to measure a variant.
    """

    name = "broker"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(environment or {})

    def missing(self) -> str | None:
        return None if Path(_program()).exists() else "the broker is not installed (make setup)"

    def version(self) -> str:
        shown = subprocess.run(
            [_program(), "--version"], capture_output=True, text=True, check=False
        )
        return shown.stdout.strip() or "broker"

    def supports(self, workload: Workload) -> bool:
        return True

    def start(self, workload: Workload, directory: Path) -> Running:
        public, internal = free_port(), free_port()
        config = directory / "channels.yaml"
        config.write_text(CHANNELS)
        data = directory / "data"
        environment = {
            "BROKER_PUBLIC": f"127.0.0.1:{public}",
            "BROKER_INTERNAL": f"127.0.0.1:{internal}",
            "BROKER_DATA": str(data),
            "BROKER_CONFIG": str(config),
            "BROKER_DRAIN_S": "0",
            "BROKER_WORKERS": str(workload.workers),
            "BROKER_LOG_LEVEL": "warning",
            **self._environment,
        }
        child = Child(
            [_program(), "serve"],
            directory / "output.log",
            server_cpus() if workload.pinned else None,
            environment,
        )
        child.wait_until(lambda: _ready(internal), "the broker")
        token = _token(environment) if workload.token else None
        store = mentioning(str(data))
        pids = [child.pid, *store]
        return BrokerServer(child, store, _interface(workload, pids, public, internal, token))


def _ready(internal: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", internal, timeout=2.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _token(environment: Mapping[str, str]) -> str:
    shown = subprocess.run(
        [_program(), "token", "--sub", "7", "--ttl", "1h"],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout.strip()


def _interface(
    workload: Workload, pids: list[int], public: int, internal: int, token: str | None
) -> Interface:
    batched = workload.publishing is not None and workload.publishing.batch > 1
    path = PATHS[workload.transport]
    query = f"?auth_token={token}" if token else ""
    return Interface(
        pids=pids,
        subscribe=f"127.0.0.1:{public}/{path}/{{channels}}{query}",
        publish=f"127.0.0.1:{internal}/publish" + ("" if batched else "/{channel}"),
        storm=f"127.0.0.1:{public}/{path}/{{channels}}?time={{date}}&tag=0",
        channel="member.{n}" if token else "bench.{n}",
        body=BATCH_BODY if batched else '"{payload}"',
        publish_headers=(
            "Content-Type: application/x-ndjson" if batched else "Content-Type: application/json",
        ),
    )
