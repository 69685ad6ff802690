"""How a setting is declared: a field of a dataclass that knows its name, limits and reasons."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

from broker.settings.kinds import Kind

T = TypeVar("T")

PREFIX = "BROKER_"
"""How the environment names of all settings begin."""

_KEY = "setting"


@dataclass(frozen=True)
class Setting:
    """
    What is known of one setting.

    Attributes:
        name: Attribute of `Settings`.
        kind: How it is read and shown.
        default: Its value when nothing is said.
        default_text: The default, as the reference shows it.
        doc: What it does, one sentence.
        why: Why the default is what it is, one sentence.
    """

    name: str
    kind: Kind[Any]
    default: object
    default_text: str
    doc: str
    why: str

    @property
    def env(self) -> str:
        """Name in the environment."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """Name on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def names(self) -> str:
        """Both, for a sentence that says what to change."""
        return f"{self.flag} or {self.env}"


def setting(kind: Kind[T], default: T, *, doc: str, why: str, shown: str | None = None) -> T:
    """
    Declare a field of the settings.

    Args:
        kind: How it is read and shown.
        default: Its value when nothing is said.
        doc: What it does, one sentence.
        why: Why the default is what it is, one sentence.
        shown: The default in words, where its text does not say it.
    """
    text = kind.show(default) if shown is None else shown
    metadata = {_KEY: (kind, text, doc, why)}
    return field(default=default, repr=not kind.secret, metadata=metadata)


def declared(group: type) -> tuple[Setting, ...]:
    """Return the settings of a dataclass made of them, in order."""
    return tuple(map(_setting, fields(group)))


def _setting(declaration: Field[Any]) -> Setting:
    kind, text, doc, why = declaration.metadata[_KEY]
    return Setting(declaration.name, kind, declaration.default, text, doc, why)
