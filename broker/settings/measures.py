"""Kinds of settings that are numbers: counts, sizes, durations, each between two limits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from typing import ClassVar, TypeVar
import re

from broker.settings.errors import Unreadable, nearest
from broker.settings.kinds import Kind

Number = TypeVar("Number", int, float)

NUMBER = re.compile(r"(-?\d{1,15}(?:\.\d{1,15})?)\s*([A-Za-z]{0,8})", re.ASCII)
DURATIONS = {
    "": Fraction(1),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86_400),
}
SIZES = {
    "": Fraction(1),
    "B": Fraction(1),
    "KiB": Fraction(2**10),
    "MiB": Fraction(2**20),
    "GiB": Fraction(2**30),
    "TiB": Fraction(2**40),
}


@dataclass(frozen=True)
class Measure(Kind[Number]):
    """
    A number with a unit, between two limits.

    Args:
        least: Smallest value allowed.
        most: Greatest value allowed.
        of: What is counted, for the reference.
    """

    least: Number
    most: Number
    of: str = ""
    suffixes: ClassVar[Mapping[str, Fraction]] = {"": Fraction(1)}

    def read(self, text: str) -> Number:
        match = NUMBER.fullmatch(text.strip())
        if match is None:
            raise Unreadable(f"not a number; allowed is {self.allowed()}")
        digits, suffix = match.groups()
        if suffix not in self.suffixes:
            raise self._no_unit(digits, suffix)
        value = self._number(Fraction(digits) * self.suffixes[suffix])
        if value < self.least:
            problem = f"less than the least; allowed is {self.allowed()}"
            raise Unreadable(problem, self.show(self.least))
        if value > self.most:
            problem = f"more than the most; allowed is {self.allowed()}"
            raise Unreadable(problem, self.show(self.most))
        return value

    def show(self, value: Number) -> str:
        return _plain(Fraction(str(value)))

    def allowed(self) -> str:
        return f"{self.show(self.least)} to {self.show(self.most)} {self.of}".rstrip()

    def _no_unit(self, digits: str, suffix: str) -> Unreadable:
        known = [name for name in self.suffixes if name]
        units = ", ".join(known) or "a number alone"
        return Unreadable(
            f"{suffix} is no unit; allowed is {units}", digits + nearest(suffix, known, 0.4)
        )

    @abstractmethod
    def _number(self, exact: Fraction) -> Number:
        """
        Make a value of an exact number.

        Raises:
            Unreadable: this kind has no such value.
        """


class Whole(Measure[int]):
    """A whole number."""

    metavar = "NUMBER"

    def _number(self, exact: Fraction) -> int:
        if exact.denominator != 1:
            raise Unreadable("not a whole number", str(round(exact)))
        return int(exact)


class Bytes(Whole):
    """A number of bytes; `64KiB`, `4MiB` and `1GiB` are read too."""

    metavar = "BYTES"
    suffixes = SIZES

    def show(self, value: int) -> str:
        return _with_unit(Fraction(value), SIZES, "B")


class WholeSeconds(Whole):
    """A duration in whole seconds; `90s`, `10m`, `2h` and `30d` are read too."""

    metavar = "SECONDS"
    suffixes = DURATIONS

    def show(self, value: int) -> str:
        return _with_unit(Fraction(value), DURATIONS, "s")


class Seconds(Measure[float]):
    """A duration in seconds; `500ms`, `90s`, `10m` and `2h` are read too."""

    metavar = "SECONDS"
    suffixes = DURATIONS

    def show(self, value: float) -> str:
        return _with_unit(Fraction(str(value)), DURATIONS, "s")

    def _number(self, exact: Fraction) -> float:
        return float(exact)


class Rate(Measure[float]):
    """A number of things in a second."""

    metavar = "NUMBER"

    def _number(self, exact: Fraction) -> float:
        return float(exact)


class Milliseconds(Measure[float]):
    """A duration in milliseconds."""

    metavar = "MILLISECONDS"

    def _number(self, exact: Fraction) -> float:
        return float(exact)


def _with_unit(exact: Fraction, units: Mapping[str, Fraction], base: str) -> str:
    """Show a number in its greatest unit that leaves it whole, else in the base unit."""
    for unit, factor in sorted(units.items(), key=itemgetter(1), reverse=True):
        if unit and exact and factor >= 1 and (exact / factor).denominator == 1:
            return f"{exact / factor}{unit}"
    return f"{_plain(exact)}{base}"


def _plain(exact: Fraction) -> str:
    """Show a number without an exponent."""
    return f"{Decimal(exact.numerator) / Decimal(exact.denominator):f}"
