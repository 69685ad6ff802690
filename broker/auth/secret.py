"""The secret that a broker makes for itself on its first start."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
import os
import secrets
import tempfile

from broker.auth.keys import SECRET_BYTES, UnusableKey

SECRET_FILE = "jwt-secret"  # noqa: S105 - a file's name
_RANDOM_BYTES = 48
_READ_BYTES = 4096
_OTHERS = 0o077
_CHANGE = "choose another directory with --data or BROKER_DATA"


def load_or_create_secret(data: Path) -> str:
    """
    Return the secret in the data directory; make it where there is none.

    Processes that start at once agree: each writes a file of its own and links it to the name,
    and only the first link succeeds.

    Args:
        data: The data directory; made when it does not exist.

    Raises:
        UnusableKey: The directory cannot be written, or the file is too short, or other users of
            the machine can read it.
    """
    path = data / SECRET_FILE
    try:
        if not path.exists():
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create(path)
        return _load(path)
    except FileExistsError as exc:
        raise UnusableKey(f"{data}: it is no directory; {_CHANGE}") from exc
    except OSError as exc:
        raise UnusableKey(f"{path}: {exc.strerror or 'cannot be used'}; {_CHANGE}") from exc
    except UnicodeDecodeError as exc:
        raise UnusableKey(f"{path}: it is not text") from exc


def _create(path: Path) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{secrets.token_urlsafe(_RANDOM_BYTES)}\n")
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def _load(path: Path) -> str:
    with path.open(encoding="ascii") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        secret = stream.read(_READ_BYTES).strip()
    if mode & _OTHERS:
        raise UnusableKey(f"{path}: other users can read it; run: chmod 600 {path}")
    if len(secret) < min(SECRET_BYTES.values()):
        raise UnusableKey(
            f"{path}: it is too short for a secret; remove it, and the next start makes a new one"
        )
    return secret
