"""The servers that store tests run on: they answer, restart, freeze and go."""

from __future__ import annotations

from collections.abc import Callable
import os

import pytest
import redis

from tests.support.stores import StoreServer


def test_each_server_is_of_the_version_it_says(store_server: StoreServer) -> None:
    """A server reports the version line that tests are named after."""
    kind, version = store_server.binary.name.split("-")
    info = store_server.command("INFO", "server")
    assert info.get(f"{kind}_version", info["redis_version"]).startswith(version)


def test_a_url_is_of_an_empty_server(store_server: StoreServer, store_url: str) -> None:
    """Each test finds an empty store, on both addresses of the server."""
    assert store_server.command("DBSIZE") == 0
    store_server.command("SET", "left", "behind")
    with redis.Redis.from_url(store_server.tcp_url) as client:
        assert client.get("left") == b"behind"


def test_what_is_on_disk_survives_a_restart(start_store: Callable[..., StoreServer]) -> None:
    """With an append-only file a killed server comes back with its data, on the same addresses."""
    server = start_store("--appendonly", "yes", "--appendfsync", "always")
    server.command("SET", "key", "value")
    server.kill()
    server.start()
    assert server.command("GET", "key") == b"value"


def test_a_frozen_server_does_not_answer(start_store: Callable[..., StoreServer]) -> None:
    """A frozen server keeps its connections and says nothing until it is thawed."""
    server = start_store()
    with redis.Redis.from_url(server.unix_url, socket_timeout=0.1, retry=None) as client:
        server.freeze()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.thaw()
        assert client.ping()


def test_a_closed_server_leaves_nothing(start_store: Callable[..., StoreServer]) -> None:
    """After `close` neither the process nor its files are there."""
    server = start_store()
    pid, directory = server.pid, server.directory
    server.close()
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
