"""Write paths: whoever is written to, each connection gets exactly what the path says it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random
import os
import resource
import socket

import pytest

from broker.writing.batched import ENTRIES, BatchedPath, NoUring, path_of
from broker.writing.path import FAILED, PlainPath, Short, WritePath
from tests.support.waiting import PATIENCE

BUFFER_BYTES = 65_536
MANY = 1000
"""Writes after which a connection would have filled up, or its end been noticed."""
LARGE = bytes(range(256)) * 128


class Pair:
    """A TCP connection over loopback: the near end is written to, the far end reads."""

    def __init__(self, stack: ExitStack) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            self.near = stack.enter_context(socket.create_connection(server.getsockname()))
            self.far = stack.enter_context(server.accept()[0])
        self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self.near.setblocking(False)
        self.far.setblocking(False)

    def read(self) -> bytes:
        """Return everything that has arrived."""
        read = b""
        while True:
            try:
                more = self.far.recv(1 << 20)
            except BlockingIOError:
                return read
            if not more:
                return read
            read += more

    def read_to_end(self) -> bytes:
        """End the connection, and return everything that was on its way."""
        self.near.shutdown(socket.SHUT_WR)
        self.far.settimeout(PATIENCE)
        return b"".join(iter(lambda: self.far.recv(1 << 20), b""))


def make_plain() -> WritePath:
    """Return the plain path."""
    return PlainPath()


def make_batched() -> WritePath:
    """Return the batched path, or skip the test where the kernel has none."""
    try:
        return BatchedPath()
    except OSError as error:
        pytest.skip(f"the kernel keeps io_uring from this process: {error}")


@pytest.fixture(params=[make_plain, make_batched], ids=["plain", "io_uring"])
def path(request: pytest.FixtureRequest) -> Iterator[WritePath]:
    """Give each write path."""
    make: Callable[[], WritePath] = request.param
    path = make()
    yield path
    path.close()


@pytest.fixture
def batched() -> Iterator[BatchedPath]:
    """Give the batched path, or skip the test."""
    path = make_batched()
    assert isinstance(path, BatchedPath)
    yield path
    path.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Give a stack that closes sockets."""
    with ExitStack() as stack:
        yield stack


def descriptors(pairs: list[Pair]) -> list[int]:
    """Return the descriptors that are written to."""
    return [pair.near.fileno() for pair in pairs]


@pytest.mark.parametrize("count", [1, 3, 4, 128, ENTRIES, ENTRIES + 1, 3 * ENTRIES])
def test_everybody_gets_everything_in_order(path: WritePath, stack: ExitStack, count: int) -> None:
    """Whatever their number, all get every write, and nobody is reported."""
    pairs = [Pair(stack) for _ in range(count)]
    aim = path.aim(descriptors(pairs))
    pieces = [b"%d," % number * (1 + number % 7) for number in range(50)]
    for piece in pieces:
        assert [] == path.write(aim, piece)
    assert {b"".join(pieces)} == {pair.read_to_end() for pair in pairs}


def test_several_aims_stand_beside_each_other(path: WritePath, stack: ExitStack) -> None:
    """Whoever was aimed at first, few or many, gets what is written to them and nothing else."""
    groups = [[Pair(stack) for _ in range(count)] for count in (5, 40, 6)]
    aims = [path.aim(descriptors(pairs)) for pairs in groups]
    for number, aim in enumerate(aims):
        assert [] == path.write(aim, b"to %d" % number)
    read = [{pair.read_to_end() for pair in pairs} for pairs in groups]
    assert [{b"to 0"}, {b"to 1"}, {b"to 2"}] == read


def test_what_was_taken_is_what_arrives(path: WritePath, stack: ExitStack) -> None:
    """Readers that stall at random: each has, to the byte, what the path says was taken."""
    random = Random(7)
    pairs = [Pair(stack) for _ in range(40)]
    aim = path.aim(descriptors(pairs))
    taken = [0] * len(pairs)
    stalled_at = [0] * len(pairs)
    read = [b""] * len(pairs)
    for _ in range(120):
        short = dict(path.write(aim, LARGE))
        for place, pair in enumerate(pairs):
            stalled_at[place] += place in short
            taken[place] += max(0, short.get(place, len(LARGE)))
            if random.random() < 0.5:
                read[place] += pair.read()
    for place, pair in enumerate(pairs):
        read[place] += pair.read_to_end()
    assert taken == [len(each) for each in read]
    assert max(stalled_at) > 0


def test_a_full_connection_takes_nothing_more(path: WritePath, stack: ExitStack) -> None:
    """A connection that nobody reads fills up and is reported; nobody waits for it."""
    pairs = [Pair(stack) for _ in range(6)]
    aim = path.aim(descriptors(pairs))
    for _ in range(MANY):
        for pair in pairs[:5]:
            pair.read()
        if Short(5, FAILED) in path.write(aim, LARGE):
            return
    pytest.fail("it never filled up")


def test_those_who_are_gone_do_not_harm_the_others(path: WritePath, stack: ExitStack) -> None:
    """A closed peer, and a place without a connection, are reported as failed."""
    pairs = [Pair(stack) for _ in range(8)]
    pairs[2].far.close()
    aim = path.aim([*descriptors(pairs), -1])
    short: list[Short] = []
    for _ in range(MANY):
        short = path.write(aim, b"x" * 100)
        if Short(2, FAILED) in short:
            break
        assert [Short(8, FAILED)] == short
    assert [Short(2, FAILED), Short(8, FAILED)] == sorted(short)
    left = {pair.read_to_end() for pair in pairs[:2] + pairs[3:]}
    assert 1 == len(left)


@pytest.mark.parametrize("count", [8, ENTRIES + 44])
def test_a_queue_that_breaks_is_replaced_by_single_writes(
    batched: BatchedPath, stack: ExitStack, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Once the kernel refuses a call, every connection is written to all the same, once."""
    pairs = [Pair(stack) for _ in range(count)]
    aim = batched.aim(descriptors(pairs))
    assert [] == batched.write(aim, b"before,")
    descriptor = batched._uring._descriptor
    spare = os.open(os.devnull, os.O_RDONLY)
    os.dup2(spare, descriptor)  # io_uring_enter says from now on that this is no queue
    os.close(spare)
    assert [] == batched.write(aim, b"broken,")
    assert [] == batched.write(aim, b"after")
    assert {b"before,broken,after"} == {pair.read_to_end() for pair in pairs}
    assert ["io_uring refuses to send; every write is a system call from now on"] == [
        record.message for record in caplog.records
    ]


def test_the_path_is_chosen() -> None:
    """Off is plain; on is io_uring or a clear error; auto is what works."""
    assert "plain" == path_of("off").name
    works = True
    try:
        path_of("on").close()
    except NoUring:
        works = False
    automatic = path_of("auto")
    assert ("io_uring" if works else "plain") == automatic.name
    automatic.close()


def test_where_the_kernel_gives_no_queue_the_plain_path_serves() -> None:
    """Without a descriptor to be had, auto falls back, and on says why it cannot be."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        name = path_of("auto").name
        with pytest.raises(NoUring, match="io_uring is on, but does not work here"):
            path_of("on")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert "plain" == name
