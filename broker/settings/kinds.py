"""Kinds of settings: how a text becomes a value, what is refused, what the reference says of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import ClassVar, Generic, TypeVar
import os
import re

from broker.core.tenants import is_tenant
from broker.settings.errors import Unreadable, nearest, printable
from broker.settings.values import ApiKey, ListenAddress, Secret

T = TypeVar("T")
API_KEY = re.compile(r"([\w.-]+):([!-9;-~]+)(?::([\w.-]+))?", re.ASCII)
YES = ("true", "yes", "on", "1")
NO = ("false", "no", "off", "0")

UNIX = "unix"
"""Stands among networks for whoever connects to a unix socket."""


class Kind(ABC, Generic[T]):
    """
    How values of one kind are read and shown.

    Attributes:
        metavar: What stands for a value in help texts.
        secret: Whether a value is never shown, not even in a fault.
    """

    metavar: ClassVar[str]
    secret: ClassVar[bool] = False

    @abstractmethod
    def read(self, text: str) -> T:
        """
        Make a value of a text.

        Raises:
            Unreadable: it is none; says why and what would be right.
        """

    def show(self, value: T) -> str:
        """Return a text that `read` would make this value of."""
        return str(value)

    def allowed(self) -> str:
        """Return what is allowed, for the reference; empty when anything is."""
        return ""


class Switch(Kind[bool]):
    """Yes or no."""

    metavar = "BOOL"

    def read(self, text: str) -> bool:
        word = text.strip().lower()
        if word not in YES + NO:
            raise Unreadable("neither true nor false", nearest(word, YES + NO))
        return word in YES

    def show(self, value: bool) -> str:
        return "true" if value else "false"

    def allowed(self) -> str:
        return "true, false"


@dataclass(frozen=True)
class Choice(Kind[str]):
    """
    One word of a few.

    Args:
        words: The words allowed.
    """

    words: tuple[str, ...]
    metavar = "WORD"

    def read(self, text: str) -> str:
        if text not in self.words:
            raise Unreadable(f"allowed is {self.allowed()}", nearest(text.lower(), self.words))
        return text

    def allowed(self) -> str:
        return ", ".join(self.words)


@dataclass(frozen=True)
class Text(Kind[str]):
    """
    A text of a given form.

    Args:
        form: What the whole text must match.
        says: The form in words, for the reference.
    """

    form: str = r"[ -~]*"
    says: str = ""
    metavar = "TEXT"

    def read(self, text: str) -> str:
        if not re.fullmatch(self.form, text):
            raise Unreadable(f"not {self.says}" if self.says else "not printable text")
        return text

    def allowed(self) -> str:
        return self.says


class FilePath(Kind[Path]):
    """A path, as the shell would take it, relative to the working directory."""

    metavar = "PATH"

    def read(self, text: str) -> Path:
        if not text or "\0" in text:
            raise Unreadable("not a path")
        try:
            return Path(text).expanduser()
        except RuntimeError as error:
            raise Unreadable("there is no such home directory") from error


class Listen(Kind[ListenAddress]):
    """Where a listener accepts connections."""

    metavar = "HOST:PORT|unix:PATH"

    def read(self, text: str) -> ListenAddress:
        try:
            return ListenAddress.parse(text)
        except ValueError as error:
            raise Unreadable(str(error), _near_address(text)) from error


@dataclass(frozen=True)
class Items(Kind[tuple[str, ...]]):
    """
    Texts separated by commas.

    Args:
        form: What each of them must match.
        says: The form in words.
    """

    form: str = r"[ -~]+"
    says: str = "printable text"
    metavar = "LIST"

    def read(self, text: str) -> tuple[str, ...]:
        return tuple(map(self._checked, _split(text)))

    def show(self, value: tuple[str, ...]) -> str:
        return ",".join(value)

    def allowed(self) -> str:
        return f"each {self.says}"

    def _checked(self, item: str) -> str:
        if not re.fullmatch(self.form, item):
            raise Unreadable(f"{printable(item)} is not {self.says}")
        return item


class Networks(Kind[tuple[str, ...]]):
    """Addresses and networks separated by commas, or `unix`."""

    metavar = "LIST"

    def read(self, text: str) -> tuple[str, ...]:
        return tuple(map(self._network, _split(text)))

    def show(self, value: tuple[str, ...]) -> str:
        return ",".join(value)

    def allowed(self) -> str:
        return f"addresses, networks as 10.0.0.0/8, {UNIX}"

    def _network(self, item: str) -> str:
        if item == UNIX:
            return item
        try:
            return str(ip_network(item))
        except ValueError as error:
            raise Unreadable(f"{printable(item)} is no address or network", _whole(item)) from error


@dataclass(frozen=True)
class SecretText(Kind[Secret]):
    """
    A text that is never shown, or none.

    Args:
        least: Bytes that it has at least, unless it is empty.
    """

    least: int
    metavar = "SECRET"
    secret = True

    def read(self, text: str) -> Secret:
        size = len(os.fsencode(text))
        if 0 < size < self.least:
            example = f"for example from: openssl rand -hex {self.least}"
            raise Unreadable(f"{size} bytes; {self.least} are needed, {example}")
        return Secret(text)

    def allowed(self) -> str:
        return f"at least {self.least} bytes"


class ApiKeys(Kind[tuple[ApiKey, ...]]):
    """Keys separated by commas, each `NAME:KEY` or `NAME:KEY:TENANT`."""

    metavar = "NAME:KEY[:TENANT],…"
    secret = True

    def read(self, text: str) -> tuple[ApiKey, ...]:
        keys = tuple(self._key(item, place) for place, item in enumerate(_split(text), 1))
        for what, values in (
            ("name", [key.name for key in keys]),
            ("key", [key.key.reveal() for key in keys]),
        ):
            if len(set(values)) < len(values):
                raise Unreadable(f"two of them have the same {what}")
        return keys

    def show(self, value: tuple[ApiKey, ...]) -> str:
        return ",".join(f"{key.name}:{key.key!r}" for key in value)

    @staticmethod
    def _key(item: str, place: int) -> ApiKey:
        name, _, rest = item.partition(":")
        key, _, tenant = rest.partition(":")
        if not name or not key or (tenant and not is_tenant(tenant)):
            raise Unreadable(f"number {place} is not NAME:KEY or NAME:KEY:TENANT")
        return ApiKey(name, Secret(key), tenant)


@dataclass(frozen=True)
class Url(Kind[str]):
    """
    A URL of certain schemes, or nothing; it may hold a password and is not shown.

    Args:
        beginnings: How it may begin, as `redis://`.
        whole: URLs that are complete by themselves, as `memory:`.
    """

    beginnings: tuple[str, ...]
    whole: tuple[str, ...] = ()
    metavar = "URL"
    secret = True

    def read(self, text: str) -> str:
        if not text or text in self.whole:
            return text
        scheme, colon, rest = text.partition("://")
        begins = scheme.lower() + colon
        if begins in self.beginnings and rest:
            return text
        if begins in self.beginnings:
            raise Unreadable("nothing follows the scheme", f"{begins}{_place(begins)}")
        known = self.beginnings + self.whole
        near = nearest(begins.split(":")[0], known) or f"{known[0]}{_place(known[0])}"
        raise Unreadable(f"allowed is {self.allowed()}", near)

    def allowed(self) -> str:
        return ", ".join((*(f"{beginning}…" for beginning in self.beginnings), *self.whole))


def _place(beginning: str) -> str:
    """Return what stands for the rest of a URL that begins so."""
    return "PATH" if beginning.startswith(UNIX) else "HOST:PORT"


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _whole(item: str) -> str:
    """Return the network that an address with a mask belongs to, or nothing."""
    try:
        return str(ip_network(item, strict=False))
    except ValueError:
        return ""


def _near_address(text: str) -> str:
    if text.startswith("unix:"):
        return "unix:broker.sock"
    if text.startswith(":") and text[1:].isdigit():
        return f"0.0.0.0{text}"  # noqa: S104  # what such a text asks for
    return f"127.0.0.1:{text}" if text.isdigit() else "127.0.0.1:8080"
