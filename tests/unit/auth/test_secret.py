"""The secret that the broker makes for itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from broker.auth.keys import UnusableKey, secret_key
from broker.auth.secret import SECRET_FILE, load_or_create_secret


def test_the_first_start_makes_it_and_later_ones_read_it(tmp_path: Path) -> None:
    """Long enough for every algorithm, in a directory that is made when it is not there."""
    data = tmp_path / "var" / "data"
    secret = load_or_create_secret(data)
    assert secret == load_or_create_secret(data)
    assert {"HS256", "HS384", "HS512"} == secret_key(secret).algorithms
    assert [SECRET_FILE] == [path.name for path in data.iterdir()]


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """Neither the file nor the directory is open to others."""
    load_or_create_secret(tmp_path / "data")
    assert 0o600 == (tmp_path / "data" / SECRET_FILE).stat().st_mode & 0o777
    assert 0o700 == (tmp_path / "data").stat().st_mode & 0o777


def test_every_installation_has_its_own(tmp_path: Path) -> None:
    """It is random."""
    assert load_or_create_secret(tmp_path / "a") != load_or_create_secret(tmp_path / "b")


def test_those_who_start_at_once_agree(tmp_path: Path) -> None:
    """Workers that all find no file end with one secret and no file left over."""
    barrier = Barrier(8)

    def start(_: int) -> str:
        barrier.wait(10)
        return load_or_create_secret(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(start, range(8)))
    assert 1 == len(secrets)
    assert [SECRET_FILE] == [path.name for path in tmp_path.iterdir()]


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """With the command that mends it."""
    load_or_create_secret(tmp_path)
    path = tmp_path / SECRET_FILE
    path.chmod(0o640)
    with pytest.raises(UnusableKey, match=f"other users can read it; run: chmod 600 {path}"):
        load_or_create_secret(tmp_path)


@pytest.mark.parametrize("content", ["", "\n", "short\n", " " * 64])
def test_a_file_that_is_too_short_is_refused(tmp_path: Path, content: str) -> None:
    """An empty secret would let everybody in."""
    load_or_create_secret(tmp_path)
    (tmp_path / SECRET_FILE).write_text(content)
    with pytest.raises(UnusableKey, match="too short for a secret"):
        load_or_create_secret(tmp_path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Whatever is in it."""
    load_or_create_secret(tmp_path)
    (tmp_path / SECRET_FILE).write_bytes(b"\xff" * 64)
    with pytest.raises(UnusableKey, match="not text"):
        load_or_create_secret(tmp_path)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableKey, match="Not a directory"):
        load_or_create_secret(tmp_path / "file" / "data")
