"""The shared store on real servers: addresses, credentials, versions, full memory, restarts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from time import monotonic
import asyncio

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
import pytest

from broker.core.cursor import START
from broker.core.errors import StoreUnavailable
from broker.core.message import Draft
from broker.core.ring import Retention
from broker.store.base import Lookup, Publication, Stored
from broker.store.options import StoreOptions
from broker.store.redis import RedisStore
from tests.conformance.store_subjects import Recorder
from tests.support.store_nodes import Connect, Node, assert_works
from tests.support.stores import CURRENT, StoreServer, free_port
from tests.support.waiting import PATIENCE, eventually

StartStore = Callable[..., StoreServer]
PASSWORD = "hunter2"


# --- addresses ----------------------------------------------------------------


async def test_a_port_is_as_good_as_a_socket(start_store: StartStore, connect: Connect) -> None:
    """A store is reached over TCP as over a unix socket, and both are the same one."""
    server = start_store()
    await assert_works(await connect(server.tcp_url))
    node = await connect(server.unix_url)
    assert await node.publish() == 2


async def test_databases_are_apart(start_store: StartStore, connect: Connect) -> None:
    """Two brokers on databases of one server hear nothing of each other."""
    server = start_store()
    nodes = [await connect(f"{server.tcp_url}/{number}") for number in (0, 5)]
    for node in nodes:
        await assert_works(node)


async def test_a_password_is_sent_and_never_shown(
    start_store: StartStore, connect: Connect
) -> None:
    """The right password opens the store; a wrong or missing one is refused at once, unnamed."""
    server = start_store()
    server.command("CONFIG", "SET", "requirepass", PASSWORD)
    host = server.tcp_url.removeprefix("redis://")
    await assert_works(await connect(f"redis://:{PASSWORD}@{host}"))
    for url in (f"redis://:{PASSWORD}x@{host}", f"redis://me:{PASSWORD}@{host}", f"redis://{host}"):
        began = monotonic()
        with pytest.raises(StoreUnavailable) as refusal:
            await RedisStore(url).open()
        assert monotonic() - began < 2 * PATIENCE
        assert PASSWORD not in str(refusal.value)
        assert PASSWORD not in repr(refusal.getrepr())


async def test_a_user_needs_no_more_than_its_keys(
    start_store: StartStore, connect: Connect
) -> None:
    """An ACL user with the broker's keys and channels, and no dangerous commands, is enough."""
    server = start_store(binary=CURRENT)
    rules = ("~broker:*", "&broker:*", "+@all", "-@dangerous", "+info")
    server.command("ACL", "SETUSER", "me", "on", f">{PASSWORD}", *rules)
    host = server.tcp_url.removeprefix("redis://")
    await assert_works(await connect(f"redis://me:{PASSWORD}@{host}"))


async def test_a_user_without_channels_is_refused(
    start_store: StartStore, connect: Connect
) -> None:
    """What the server does not let us subscribe to is an error in time, not silence."""
    server = start_store(binary=CURRENT)
    rules = ("~broker:*", "resetchannels", "+@all")
    server.command("ACL", "SETUSER", "me", "on", f">{PASSWORD}", *rules)
    host = server.tcp_url.removeprefix("redis://")
    with pytest.raises(StoreUnavailable):
        await connect(f"redis://me:{PASSWORD}@{host}", StoreOptions(timeout_s=0.5))


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """Write a certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store")])
    address = x509.IPAddress(IPv4Address("127.0.0.1"))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = directory / "cert.pem", directory / "key.pem"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_path, key_path


async def test_tls_is_spoken_and_checked(
    start_store: StartStore, connect: Connect, tmp_path: Path
) -> None:
    """`rediss://` encrypts both connections, and refuses a certificate that it does not know."""
    certificate, key = make_certificate(tmp_path)
    port = free_port()
    start_store(
        *("--tls-port", str(port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
        binary=CURRENT,
    )
    url = f"rediss://127.0.0.1:{port}"
    await assert_works(await connect(f"{url}?ssl_ca_certs={certificate}"))
    with pytest.raises(StoreUnavailable, match="CERTIFICATE"):
        await RedisStore(url, StoreOptions(timeout_s=0.5)).open()


async def test_nobody_at_the_address_is_unavailable_in_time(tmp_path: Path) -> None:
    """A store that is not there is waited for until the deadline, and named."""
    for url in (f"redis://127.0.0.1:{free_port()}", f"unix://{tmp_path}/none"):
        store = RedisStore(url, StoreOptions(timeout_s=0.2))
        began = monotonic()
        with pytest.raises(StoreUnavailable, match=r"0\.2 s"):
            await store.open()
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await store.listener(Recorder())
        assert monotonic() - began < 2 * PATIENCE
        await store.close()


async def test_an_old_server_is_refused() -> None:
    """A server before 6.2 is named with its version."""
    left = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"$20\r\nredis_version:6.0.16\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    old = await asyncio.start_server(answer, "127.0.0.1", 0)
    store = RedisStore(f"redis://127.0.0.1:{old.sockets[0].getsockname()[1]}")
    with pytest.raises(StoreUnavailable, match=r"6\.0\.16; 6\.2 or newer"):
        await store.open()
    await store.close()
    await left.wait()
    old.close()
    await old.wait_closed()


# --- memory -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "is_warned"), [("allkeys-lru", True), ("volatile-ttl", True), ("noeviction", False)]
)
async def test_a_server_that_may_evict_is_warned_of(
    start_store: StartStore, caplog: pytest.LogCaptureFixture, policy: str, is_warned: bool
) -> None:
    """A policy that can take rings away is named at start."""
    server = start_store("--maxmemory", "100mb", "--maxmemory-policy", policy)
    store = RedisStore(server.unix_url)
    await store.open()
    assert is_warned == (policy in caplog.text)
    await store.close()


async def test_p6_a_full_server_stores_nothing_by_halves(
    start_store: StartStore, connect: Connect
) -> None:
    """When memory runs out, a publication is refused whole, and goes through once there is some."""
    server = start_store()
    node = await connect(server.unix_url)
    await node.publish(b"1")
    server.command("CONFIG", "SET", "maxmemory", "1")
    drafts = [Draft("a", b"2"), Draft("b", b"3"), Draft("a", b"4")]
    publication = Publication(drafts, [Retention()] * 3, idempotency_key="k", fingerprint="f")
    with pytest.raises(StoreUnavailable):
        await node.store.publish("main", [publication], START)
    assert [b"1"] == await node.bodies()
    assert await node.store.info("main", "b") is None
    server.command("CONFIG", "SET", "maxmemory", "0")
    (outcome,) = await node.store.publish("main", [publication], START)
    assert isinstance(outcome, Stored)
    assert not outcome.repeated
    await node.listener.tick("main", START)
    assert [b"1", b"2", b"4"] == await node.bodies() == node.recorder.bodies


# --- restarts -----------------------------------------------------------------


async def test_p6_p7_a_restart_under_load_loses_and_repeats_nothing(
    start_store: StartStore, connect: Connect
) -> None:
    """Over restarts, clean or killed, each publish is answered late and stored once, in order."""
    server = start_store("--appendonly", "yes", "--appendfsync", "always")
    node = await connect(server.unix_url)
    running = True
    published = 0

    async def storm() -> None:
        nonlocal published
        while running:
            assert await node.publish(b"%d" % published) == published + 1
            published += 1

    storming = asyncio.create_task(storm())
    for round_, end in enumerate((server.stop, server.kill, server.stop), 1):
        before = published
        await eventually(lambda before=before: published > before + 50)  # type: ignore[misc]
        await asyncio.to_thread(end)
        await asyncio.to_thread(server.start)
        await eventually(
            lambda round_=round_: node.recorder.events.count("resumed") == round_  # type: ignore[misc]
        )
    running = False
    await storming
    assert [b"%d" % number for number in range(published)] == await node.bodies()
    await node.listener.tick("main", START)
    assert sorted(node.recorder.messages, key=lambda message: message.cursor) == (
        node.recorder.messages
    )


class LosingProxy:
    """
    Passes bytes on to a server, and loses the answer to the next script call when told to.

    Attributes:
        is_losing: Whether the next answer is to be lost.
        lost: How many were.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._open = 0
        self.is_losing = False
        self.lost = 0

    @property
    def left(self) -> bool:
        """Whether every connection ended."""
        return not self._open

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, one command at a time."""
        self._open += 1
        server_reader, server_writer = await asyncio.open_unix_connection(self._path)
        while command := await reader.read(65_536):
            server_writer.write(command)
            answer = await server_reader.read(65_536)
            if self.is_losing and b"EVALSHA" in command:
                self.is_losing = False
                self.lost += 1
                break
            writer.write(answer)
        for each in (writer, server_writer):
            each.close()
            await each.wait_closed()
        self._open -= 1


async def test_p6_a_publish_whose_answer_is_lost_is_stored_once(
    start_store: StartStore, connect: Connect, tmp_path: Path
) -> None:
    """A server that stored, and whose answer never came, is asked again and says the same."""
    server = start_store()
    proxy = LosingProxy(server.unix_url.removeprefix("unix://"))
    listening = await asyncio.start_unix_server(proxy.serve, tmp_path / "proxy")
    store = RedisStore(f"unix://{tmp_path}/proxy")
    node = Node(store, (await connect(server.unix_url)).listener, Recorder())
    await node.publish(b"0")
    for number in range(1, 11):
        proxy.is_losing = True
        assert await node.publish(b"%d" % number) == number + 1
    assert proxy.lost == 10
    assert [b"%d" % number for number in range(11)] == await node.bodies()
    await store.close()
    await eventually(lambda: proxy.left)
    listening.close()
    await listening.wait_closed()


async def test_a_channel_is_forgotten_when_its_time_is_over(
    start_store: StartStore, connect: Connect
) -> None:
    """The server itself forgets a silent channel and its ring."""
    server = start_store()
    node = await connect(server.unix_url, StoreOptions(channel_ttl_s=1))
    publication = Publication([Draft("a", b"1")], [Retention(10, 1)])
    (outcome,) = await node.store.publish("main", [publication], START)
    assert isinstance(outcome, Stored)
    cursor = outcome.stamps[0].cursor
    assert await node.store.info("main", "a")
    await eventually(lambda: server.command("KEYS", "broker:*:channel:*") == [], 10)
    assert await node.store.info("main", "a") is None
    (history,) = await node.store.read("main", [Lookup("a", cursor)], 10, START)
    assert (True, []) == (history.gap, list(history.messages))


# --- bounds -------------------------------------------------------------------


async def test_ticks_of_many_tenants_stay_bounded(
    start_store: StartStore, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only so many tenants' tick channels stay subscribed, and every tick still comes."""
    monkeypatch.setattr("broker.store.listener._TICKED_TENANTS", 2)
    server = start_store()
    node = await connect(server.unix_url)
    for number in [*range(10), *range(10)]:
        await node.listener.tick(f"t{number}", START)
    await eventually(lambda: len(server.command("PUBSUB", "CHANNELS", "*:tick@0:*")) == 2)


async def test_a_long_listing_is_cut_short(
    start_store: StartStore,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A listing that takes half the deadline returns what it found, and says so in the log."""
    server = start_store()
    node = await connect(server.unix_url)
    for number in range(10):
        await node.publish(channel=f"c{number}")
    monkeypatch.setattr("broker.store.redis._SCAN_KEYS", 2)
    assert len(await node.store.channels("main", "", 100)) == 10
    times = iter([0.0, 100.0])
    monkeypatch.setattr("broker.store.redis.monotonic", lambda: next(times))
    assert len(await node.store.channels("main", "", 100)) < 10
    assert "cut short" in caplog.text


async def test_many_channels_are_listed_in_pieces(
    start_store: StartStore, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many channels match, no step of the server is long, and the order is by name."""
    monkeypatch.setattr("broker.store.redis._INFO_CHANNELS", 7)
    node = await connect(start_store().unix_url)
    names = [f"c{number:03}" for number in range(100)]
    drafts = [Draft(name, b"1") for name in reversed(names)]
    await node.store.publish("main", [Publication(drafts, [Retention()] * 100)], START)
    assert names == [info.channel for info in await node.store.channels("main", "", 1000)]
    assert names[:20] == [info.channel for info in await node.store.channels("main", "", 20)]


async def test_closing_waits_for_nobody(start_store: StartStore, connect: Connect) -> None:
    """Calls in flight end by themselves, later ones at once, and no connection stays."""
    server = start_store()
    node = await connect(server.unix_url)
    publishing = [asyncio.create_task(node.publish()) for _ in range(40)]
    await asyncio.sleep(0)
    await node.store.close()
    ends = await asyncio.gather(*publishing, return_exceptions=True)
    assert {int, StoreUnavailable} >= {type(end) for end in ends}
    with pytest.raises(StoreUnavailable, match="closed"):
        await node.publish()
    await node.listener.close()
    await eventually(lambda: len(server.command("CLIENT", "LIST").splitlines()) == 1)


async def test_a_sink_that_fails_does_not_end_the_listening(
    start_store: StartStore, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of the sink is logged, and the connection is kept up all the same."""
    server = start_store()
    node = await connect(server.unix_url)
    failures = ["resumed", "interrupted"]

    class Failing(Recorder):
        def interrupted(self, tenants: Collection[str] | None = None) -> None:
            super().interrupted()
            assert not failures

        def resumed(self, tenants: Collection[str] | None = None) -> None:
            super().resumed()
            assert not (failures and failures.pop())

    recorder = Failing()
    listener = await node.store.listener(recorder)
    await listener.listen("main", ["a"])
    for round_ in range(1, 4):
        server.command("CLIENT", "KILL", "TYPE", "pubsub")
        await eventually(lambda round_=round_: recorder.events.count("resumed") == round_)  # type: ignore[misc]
    await node.publish(b"1")
    await listener.tick("main", START)
    assert [b"1"] == recorder.bodies
    assert caplog.text.count("The sink failed") >= 3
    await listener.close()
