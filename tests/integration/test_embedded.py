"""The private server: started, shared, left, killed and found again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from time import monotonic
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading

from blockbuster import BlockBuster
import pytest

from broker.core.cursor import START
from broker.core.errors import StoreUnavailable
from broker.core.message import Draft
from broker.core.ring import Retention
from broker.store import keeper
from broker.store.base import Lookup, Publication, Store, Stored
from broker.store.embedded import EmbeddedStore
from broker.store.server import PrivateServer
from tests.support.waiting import PATIENCE, eventually, wait_until

USER = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from broker.core.cursor import START
    from broker.core.message import Draft
    from broker.core.ring import Retention
    from broker.store.base import Publication
    from broker.store.embedded import EmbeddedStore

    async def main():
        store = EmbeddedStore(Path(sys.argv[1]))
        await store.open()
        for number in range(int(sys.argv[2])):
            body = b"%d" % number
            publication = Publication([Draft("a", body)], [Retention(100_000, 3600)])
            await store.publish("main", [publication], START)
            print(number, flush=True)
        if "--stay" in sys.argv:
            await asyncio.sleep(600)
        await store.close()

    asyncio.run(main())
    """
)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Give a data directory; its server is gone when the test is over."""
    data_dir = Path(mkdtemp(prefix="data-"))
    yield data_dir
    server = PrivateServer(data_dir)
    wait_until(lambda: not server.directory.exists() or is_gone(data_dir), 10)
    rmtree(data_dir)


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    """Give a stack that closes stores."""
    async with AsyncExitStack() as stack:
        yield stack


async def use(data_dir: Path, opened: AsyncExitStack) -> EmbeddedStore:
    """Open a store on a data directory; closed after the test."""
    store = EmbeddedStore(data_dir)
    await store.open()
    opened.push_async_callback(store.close)
    return store


def is_gone(data_dir: Path) -> bool:
    """Tell whether neither server nor keeper runs."""
    directory = PrivateServer(data_dir).directory
    return is_free(directory / keeper.KEEPER_LOCK) and not answers(data_dir)


def is_free(lock: Path) -> bool:
    """Tell whether nobody holds a lock."""
    descriptor = keeper.lock(lock, fcntl.LOCK_EX)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


def answers(data_dir: Path) -> bool:
    """Tell whether a server answers."""
    return keeper.ask(PrivateServer(data_dir).socket, "PING") == b"+PONG\r\n"


def server_pid(data_dir: Path) -> int:
    """Return the process id of the running server."""
    return int((PrivateServer(data_dir).directory / keeper.PID).read_text())


def parent_of(pid: int) -> int:
    """Return the process id of the process that started another."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def lives(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def publish(store: Store, body: bytes = b"1") -> int:
    """Publish one message and return its id."""
    publication = Publication([Draft("a", body)], [Retention(100_000, 3600)])
    (outcome,) = await store.publish("main", [publication], START)
    assert isinstance(outcome, Stored)
    return outcome.stamps[0].id


async def bodies(store: Store) -> list[bytes]:
    """Return every kept body."""
    (history,) = await store.read("main", [Lookup("a", START)], 100_000, START)
    return [message.body for message in history.messages]


def start_user(data_dir: Path, count: int, *options: str) -> subprocess.Popen[str]:
    """Start another process that uses the same data directory."""
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(data_dir), str(count), *options],
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_the_first_starts_and_the_last_stops(data_dir: Path) -> None:
    """Stores of one data directory share a server, which ends with the last of them."""
    first, second = EmbeddedStore(data_dir), EmbeddedStore(data_dir)
    await first.open()
    pid = server_pid(data_dir)
    await second.open()
    assert pid == server_pid(data_dir)
    assert [1, 2] == [await publish(first), await publish(second)]
    await first.close()
    assert await publish(second) == 3
    assert lives(pid)
    await second.close()
    assert is_gone(data_dir)
    await eventually(lambda: not lives(pid))


async def test_history_survives_a_restart(data_dir: Path, opened: AsyncExitStack) -> None:
    """Messages, ids and cursors go on after the server was stopped and started."""
    store = EmbeddedStore(data_dir)
    await store.open()
    await publish(store, b"1")
    before = await store.info("main", "a")
    await store.close()
    again = await use(data_dir, opened)
    assert before == await again.info("main", "a")
    assert await publish(again, b"2") == 2
    assert [b"1", b"2"] == await bodies(again)


async def test_a_store_can_be_closed_in_any_state(data_dir: Path) -> None:
    """Closing an unopened or closed store does nothing; a closed one does not start a server."""
    await EmbeddedStore(data_dir).close()
    store = EmbeddedStore(data_dir)
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.open()
    assert is_gone(data_dir)


@pytest.fixture
def unopened(data_dir: Path) -> EmbeddedStore:
    """Give a store that was not opened yet."""
    return EmbeddedStore(data_dir)


async def test_opening_does_not_block_the_loop(
    unopened: EmbeddedStore, no_blocking: BlockBuster
) -> None:
    """Starting and stopping a server leaves the loop to others."""
    await unopened.open()
    await publish(unopened)
    await unopened.close()


async def test_several_processes_share(data_dir: Path, opened: AsyncExitStack) -> None:
    """Processes that start at the same moment get one server, and no message is lost."""
    users = [start_user(data_dir, 50) for _ in range(4)]
    store = await use(data_dir, opened)
    for user in users:
        await eventually(lambda user=user: user.poll() == 0, 30)  # type: ignore[misc]
        assert user.stdout is not None
        user.stdout.close()
    kept = await bodies(store)
    assert sorted(4 * [b"%d" % number for number in range(50)]) == sorted(kept)


async def test_p6_what_a_killed_user_was_answered_is_kept(
    data_dir: Path, opened: AsyncExitStack
) -> None:
    """After `kill -9` of the only user, the next finds every answered message, and its server."""
    user = start_user(data_dir, 100_000)
    assert user.stdout is not None
    while int(user.stdout.readline()) < 200:
        pass
    pid = server_pid(data_dir)
    user.kill()
    answered = 200 + sum(1 for _ in user.stdout)
    user.wait()
    user.stdout.close()
    store = await use(data_dir, opened)
    kept = await bodies(store)
    assert answered + 1 <= len(kept) <= answered + 2  # one may be stored and not answered
    assert [b"%d" % number for number in range(len(kept))] == kept
    assert await publish(store) == len(kept) + 1
    assert lives(server_pid(data_dir))
    assert server_pid(data_dir) == pid or not lives(pid)


def test_no_server_outlives_its_last_user(data_dir: Path) -> None:
    """A server whose users were all killed stops by itself."""
    users = [start_user(data_dir, 1, "--stay") for _ in range(2)]
    for user in users:
        assert user.stdout is not None
        assert user.stdout.readline()
    pid = server_pid(data_dir)
    for user in users:
        assert lives(pid)
        user.kill()
        user.wait()
        assert user.stdout is not None
        user.stdout.close()
    wait_until(lambda: is_gone(data_dir), 5)
    wait_until(lambda: not lives(pid))


async def test_p7_a_server_that_dies_is_started_again(
    data_dir: Path, opened: AsyncExitStack
) -> None:
    """After `kill -9` of the server, calls wait for its successor, which has every message."""
    store = await use(data_dir, opened)
    for number in range(1, 4):
        assert await publish(store) == number
        os.kill(server_pid(data_dir), signal.SIGKILL)
    assert await publish(store) == 4


async def test_p7_a_keeper_that_dies_is_replaced(data_dir: Path, opened: AsyncExitStack) -> None:
    """After `kill -9` of the keeper, a user starts another, and nothing is lost."""
    store = await use(data_dir, opened)
    await publish(store)
    old = server_pid(data_dir)
    os.kill(parent_of(old), signal.SIGKILL)
    await eventually(lambda: is_replaced(data_dir, old), 10)
    assert await publish(store) == 2


def is_replaced(data_dir: Path, old: int) -> bool:
    """Tell whether another server answers."""
    return answers(data_dir) and server_pid(data_dir) != old


def start_orphan(binary: str, directory: str, path: str) -> subprocess.Popen[bytes]:
    """Start a server as a keeper does, without a keeper."""
    return subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", path, "--dir", directory, "--appendonly", "yes"],
        stdout=subprocess.DEVNULL,
    )


async def test_an_orphan_is_replaced_before_it_can_do_harm(
    data_dir: Path, opened: AsyncExitStack
) -> None:
    """A server without keeper, as where the kernel cannot end it, is stopped and taken over."""
    store = EmbeddedStore(data_dir)
    await store.open()
    await publish(store)
    await store.close()
    server = PrivateServer(data_dir)
    orphan = start_orphan(*server._places())
    try:
        await eventually(lambda: answers(data_dir))
        assert await publish(await use(data_dir, opened)) == 2
        assert orphan.wait(5) == 0
    finally:
        orphan.kill()
        orphan.wait()


def test_an_interrupt_of_the_group_leaves_the_server(data_dir: Path) -> None:
    """Ctrl-C reaches the broker's process group, to which the server does not belong."""
    user = subprocess.Popen(
        [sys.executable, "-c", USER, str(data_dir), "1", "--stay"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert user.stdout is not None
    assert user.stdout.readline()
    pid = server_pid(data_dir)
    assert os.getpgid(pid) != os.getpgid(user.pid)
    assert os.getsid(pid) != os.getsid(user.pid)
    os.kill(parent_of(pid), signal.SIGINT)
    os.kill(pid, 0)
    os.killpg(user.pid, signal.SIGINT)
    user.wait(10)
    user.stdout.close()
    wait_until(lambda: is_gone(data_dir), 10)


async def test_nobody_else_can_enter(data_dir: Path, opened: AsyncExitStack) -> None:
    """The server has no port, and its directory is closed to other users."""
    await use(data_dir, opened)
    assert stat.S_IMODE(PrivateServer(data_dir).directory.stat().st_mode) == 0o700
    assert not tcp_sockets_of(server_pid(data_dir))


def tcp_sockets_of(pid: int) -> list[str]:
    """Return what a process has open of TCP, by the kernel's numbers."""
    opened = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    tables = [Path(f"/proc/{pid}/net/{table}").read_text() for table in ("tcp", "tcp6")]
    numbers = [line.split()[9] for table in tables for line in table.splitlines()[1:]]
    return [number for number in numbers if f"socket:[{number}]" in opened]


async def test_a_long_path_gets_a_short_socket(data_dir: Path, opened: AsyncExitStack) -> None:
    """A data directory whose path is too long for a socket works, and is shared all the same."""
    deep = data_dir / ("d" * 60) / ("e" * 60)
    store, other = await use(deep, opened), await use(deep, opened)
    assert [1, 2] == [await publish(store), await publish(other)]
    path = PrivateServer(deep).socket
    assert len(path) <= 100
    assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
    assert (PrivateServer(deep).directory / keeper.PID).exists()


async def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file in the way is told at once."""
    (tmp_path / "valkey").write_text("")
    store = EmbeddedStore(tmp_path)
    with pytest.raises(StoreUnavailable, match="valkey"):
        await store.open()
    await store.close()


async def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    """A broken append-only file is told within seconds, in the words of the server."""
    files = data_dir / "valkey" / "appendonlydir"
    files.mkdir(parents=True)
    (files / "appendonly.aof.manifest").write_text("nonsense\n")
    store = EmbeddedStore(data_dir)
    began = monotonic()
    with pytest.raises(StoreUnavailable, match=r"did not start.*manifest"):
        await store.open()
    assert monotonic() - began < 10 * PATIENCE
    await store.close()


def test_asking_a_dead_socket_is_no_answer(tmp_path: Path) -> None:
    """Neither a missing socket nor a silent one is taken for a server."""
    assert keeper.ask(str(tmp_path / "none"), "PING") == b""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        assert keeper.ask(str(tmp_path / "silent"), "PING") == b""


@pytest.fixture
def kept_signals() -> Iterator[None]:
    """Put the handlers of signals back that a keeper in this process changes."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def places(data_dir: Path) -> tuple[str, Path, str]:
    """Return what a keeper is told, after making its directory."""
    binary, directory, path = PrivateServer(data_dir)._places()
    Path(directory).mkdir()
    return binary, Path(directory), path


def test_a_keeper_without_users_stops(data_dir: Path, kept_signals: None) -> None:
    """A keeper takes over from an orphan, starts a server, and ends it when nobody is there."""
    binary, directory, path = places(data_dir)
    orphan = start_orphan(binary, str(directory), path)
    wait_until(lambda: answers(data_dir))
    try:
        assert keeper.Keeper(binary, directory, path).run() == 0
        assert orphan.wait(5) == 0
        assert not answers(data_dir)
    finally:
        orphan.kill()
        orphan.wait()
        keeper_lock = directory / keeper.USERS_LOCK
        release(keeper_lock)


def release(path: Path) -> None:
    """Close every descriptor of this process on a file."""
    for each in Path("/proc/self/fd").iterdir():
        if each.exists() and each.resolve() == path.resolve():
            os.close(int(each.name))


def test_a_keeper_gives_up_on_a_server_that_cannot_run(data_dir: Path, kept_signals: None) -> None:
    """A program that ends at once is started three times."""
    _, directory, path = places(data_dir)
    users = keeper.lock(directory / keeper.USERS_LOCK, fcntl.LOCK_SH)
    assert users is not None
    program = directory / "server"
    program.write_text(f"#!/bin/sh\necho started >> {directory}/starts\nexit 1\n")
    program.chmod(0o700)
    assert keeper.Keeper(str(program), directory, path).run() == 1
    os.close(users)
    assert len((directory / "starts").read_text().splitlines()) == keeper.MOST_QUICK_ENDS


def test_a_keeper_stops_when_it_is_asked_to(data_dir: Path, kept_signals: None) -> None:
    """A keeper that is ended stops its server, though it has users, and kills one that hangs."""
    _, directory, path = places(data_dir)
    users = keeper.lock(directory / keeper.USERS_LOCK, fcntl.LOCK_SH)
    assert users is not None
    program = directory / "server"
    program.write_text(
        f"#!{sys.executable}\nimport os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.kill(os.getppid(), signal.SIGTERM)\ntime.sleep(600)\n"
    )
    program.chmod(0o700)
    began = monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeper, "STOP_S", 0.2)
        assert keeper.Keeper(str(program), directory, path).run() == 0
    os.close(users)
    assert monotonic() - began < 10 * PATIENCE


async def test_a_keeper_that_cannot_be_started_again_is_logged(
    data_dir: Path,
    opened: AsyncExitStack,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A failure to start a keeper anew does not end the attempts."""
    store = await use(data_dir, opened)
    monkeypatch.setattr(store._server, "_is_unkept", unkept_and_helpless)
    await eventually(lambda: caplog.text.count("cannot be started again") == 2)
    assert await publish(store) == 1
    monkeypatch.undo()


def unkept_and_helpless() -> bool:
    """Fail as the system does when it has no more processes to give."""
    raise OSError("no processes left")


async def test_a_socket_directory_of_somebody_else_is_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that another user, or a link, put in the way is not used."""
    (data_dir / "valkey").symlink_to(data_dir)
    store = EmbeddedStore(data_dir)
    with pytest.raises(StoreUnavailable, match="not a directory of this user's"):
        await store.open()
    (data_dir / "valkey").unlink()


async def test_a_server_that_never_answers_is_given_up(
    data_dir: Path, opened: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for a server ends."""
    await use(data_dir, opened)
    monkeypatch.setattr("broker.store.server.START_S", 0.2)
    pid = server_pid(data_dir)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable, match=r"no answer within 0\.2 s"):
            await EmbeddedStore(data_dir).open()
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("kind", [fcntl.LOCK_SH, fcntl.LOCK_EX], ids=["a-look", "an-ending-keeper"])
def test_who_holds_the_keepers_lock_for_a_moment_delays_a_start(data_dir: Path, kind: int) -> None:
    """Neither another user's look at the lock nor a keeper that is ending leaves no keeper."""
    server = PrivateServer(data_dir)
    server.directory.mkdir()
    held = keeper.lock(server.directory / keeper.KEEPER_LOCK, kind)
    assert held is not None
    release_it = threading.Timer(0.2, os.close, [held])
    release_it.start()
    server.start()
    try:
        assert answers(data_dir)
    finally:
        release_it.join()
        server.leave()
