"""Store URLs, and which store they mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.store.address import Address
from broker.store.base import Store
from broker.store.embedded import EmbeddedStore
from broker.store.factory import open_store
from broker.store.memory import MemoryStore
from broker.store.redis import RedisStore


@pytest.mark.parametrize(
    ("url", "name", "database", "credentials"),
    [
        ("redis://", "redis://localhost:6379/0", 0, ()),
        ("redis://:pass@redis.example/2", "redis://redis.example:6379/2", 2, ("pass",)),
        ("redis://me:p%40ss@h:1/0?db=4", "redis://h:1/4", 4, ("me", "p@ss")),
        ("rediss://h:6380?ssl_cert_reqs=none", "rediss://h:6380/0", 0, ()),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock", 1, ()),
        ("unix://me:pass@/run/redis.sock", "unix:///run/redis.sock", 0, ("me", "pass")),
    ],
)
def test_an_address_is_named_without_credentials(
    url: str, name: str, database: int, credentials: tuple[str, ...]
) -> None:
    """What is shown of an address holds neither user nor password."""
    address = Address(url)
    assert (name, database, credentials) == (address.name, address.database, address.credentials)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("redis://:secret@h?max_conections=5", "unknown option 'max_conections'"),
        ("rediss://:secret@h?ssl_ca_cert=x", "did you mean ssl_ca_certs?"),
        ("redis://:secret@h?ssl_cert_reqs=none", "unknown option 'ssl_cert_reqs'"),
        ("rediss://:secret@h?ssl_cert_reqs=some", "Requirements Flag: some"),
        ("unix://:secret@?db=1", "must name a socket"),
        ("redis://:secret@h?db=first", "cannot be read"),
        ("redis://:secret@h:port", "cannot be read"),
        ("redis://me:secret/x@h", "percent-encoded"),
        ("redis://me:secret[x@h", "percent-encoded"),
        ("redis://me:@h/secret?x=[", "must be the number of a database"),
        ("redis://:secret@h/first", "database"),
    ],
)
def test_a_wrong_url_is_a_value_error(url: str, complaint: str) -> None:
    """What is wrong is named, and the password is not."""
    with pytest.raises(ValueError, match=complaint.replace("?", r"\?")) as error:
        Address(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("", EmbeddedStore),
        ("memory:", MemoryStore),
        ("redis://h", RedisStore),
        ("rediss://h", RedisStore),
        ("unix:///s", RedisStore),
        ("redis+sentinel://h/s", RedisStore),
        ("rediss+sentinel://h/s", RedisStore),
        ("redis+cluster://h", RedisStore),
        ("rediss+cluster://h", RedisStore),
    ],
)
def test_the_scheme_chooses_the_store(url: str, kind: type[Store], tmp_path: Path) -> None:
    """Each scheme has its store, and no URL means the private server."""
    assert type(open_store(url, tmp_path)) is kind


@pytest.mark.parametrize(
    ("url", "nearest"),
    [
        ("reddis://:secret@h", "did you mean redis://?"),
        ("memory", "did you mean memory:?"),
        ("redis+sentinal://:secret@h/s", "did you mean redis+sentinel://?"),
        ("rediss-cluster://:secret@h", "did you mean rediss+cluster://?"),
        ("postgres://:secret@h", "use one of redis://, rediss://, unix://, redis+sentinel://"),
        ("secret", "use one of"),
    ],
)
def test_an_unknown_scheme_names_the_nearest(url: str, nearest: str, tmp_path: Path) -> None:
    """An unknown scheme is refused with what there is."""
    with pytest.raises(ValueError, match="no store") as error:
        open_store(url, tmp_path)
    assert nearest in str(error.value)
