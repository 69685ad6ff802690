"""Every kind of store, for the store suites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TypeVar

import pytest

from broker.store.base import Store
from broker.store.server import PrivateServer
from tests.conformance.store_subjects import (
    ClusterSubject,
    EmbeddedSubject,
    MemorySubject,
    SentinelSubject,
    ServerSubject,
    Subject,
)
from tests.support import clusters
from tests.support import sentinels as sentinel_sets
from tests.support.clusters import ClusterSet
from tests.support.sentinels import SentinelSet
from tests.support.stores import CURRENT, EMBEDDED, OLDEST, StoreBinary, StoreServer


@pytest.fixture(scope="session")
def embedded_dir() -> Iterator[Path]:
    """Give the data directory of a private server that runs until the end."""
    data_dir = Path(mkdtemp(prefix="embedded-"))
    server = PrivateServer(data_dir)
    server.start()
    yield data_dir
    server.leave()
    rmtree(data_dir)


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, StoreServer]]:
    """Give the servers that were started so far, by name."""
    started: dict[str, StoreServer] = {}
    yield started
    for server in started.values():
        server.close()


def _server(servers: dict[str, StoreServer], binary: StoreBinary) -> StoreServer:
    if binary.path is None:
        pytest.skip(f"no {binary.name} here; it comes with {binary.source}")
    if binary.name not in servers:
        servers[binary.name] = StoreServer(binary)
        servers[binary.name].start()
    return servers[binary.name]


@pytest.fixture(scope="session")
def sentinels() -> Iterator[SentinelSet]:
    """Give a master with a replica and sentinels, that bear a short silence."""
    servers = SentinelSet(EMBEDDED, down_after_ms=sentinel_sets.PATIENT_MS)
    yield from _started(servers)


@pytest.fixture(scope="session")
def cluster() -> Iterator[ClusterSet]:
    """Give a cluster that bears a short silence."""
    servers = ClusterSet(EMBEDDED, node_timeout_ms=clusters.PATIENT_MS)
    yield from _started(servers)


T = TypeVar("T", SentinelSet, ClusterSet)


def _started(servers: T) -> Iterator[T]:
    try:
        servers.start()
        yield servers
    finally:
        servers.close()


KINDS = (
    "memory",
    "embedded",
    CURRENT,
    OLDEST,
    pytest.param("sentinel", marks=pytest.mark.several_servers),
    pytest.param("cluster", marks=pytest.mark.several_servers),
)


def _subject(kind: str | StoreBinary, request: pytest.FixtureRequest) -> Subject:
    if kind == "memory":
        return MemorySubject()
    if kind == "embedded":
        return EmbeddedSubject(request.getfixturevalue("embedded_dir"))
    if kind == "sentinel":
        return SentinelSubject(request.getfixturevalue("sentinels"))
    if kind == "cluster":
        return ClusterSubject(request.getfixturevalue("cluster"))
    assert isinstance(kind, StoreBinary)
    return ServerSubject(_server(request.getfixturevalue("servers"), kind).unix_url)


def _name(kind: object) -> str:
    return kind.name if isinstance(kind, StoreBinary) else str(kind)


@pytest.fixture(params=KINDS, ids=_name)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """Give each kind of store in turn, empty."""
    subject = _subject(request.param, request)
    yield subject
    await subject.close()


@pytest.fixture(params=KINDS[1:], ids=_name)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[ServerSubject]:
    """Give each kind of store that is a server in turn, empty."""
    subject = _subject(request.param, request)
    assert isinstance(subject, ServerSubject)
    yield subject
    await subject.close()


@pytest.fixture
async def store(subject: Subject) -> Store:
    """Give an open store of each kind."""
    return await subject.store()
