"""Every kind of store, for the store suites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest

from broker.store.base import Store
from broker.store.server import PrivateServer
from tests.conformance.store_subjects import (
    EmbeddedSubject,
    MemorySubject,
    ServerSubject,
    Subject,
)
from tests.support.stores import CURRENT, OLDEST, StoreBinary, StoreServer


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


KINDS = ("memory", "embedded", CURRENT, OLDEST)


def _subject(kind: str | StoreBinary, request: pytest.FixtureRequest) -> Subject:
    if kind == "memory":
        return MemorySubject()
    if kind == "embedded":
        return EmbeddedSubject(request.getfixturevalue("embedded_dir"))
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
