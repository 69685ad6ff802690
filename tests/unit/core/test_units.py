"""Durations and sizes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h", 3600), ("7d", 604_800), ("0s", 0)]
)
def test_a_duration_has_a_unit(text: str, seconds: int) -> None:
    """Seconds, minutes, hours, days."""
    assert seconds == parse_duration(text)


@pytest.mark.parametrize("text", ["", "90", "s", "1.5h", "-1s", "1 h", "1H", "1w", "1h30m", "٣s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without a unit would be read as seconds by one and minutes by another."""
    with pytest.raises(ValueError, match="a duration is"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "size"), [("100", 100), ("64k", 65_536), ("2m", 2_097_152)])
def test_a_size_is_in_bytes(text: str, size: int) -> None:
    """With k and m in powers of 1,024."""
    assert size == parse_size(text)


@pytest.mark.parametrize("text", ["", "k", "1.5k", "-1", "1 k", "64kb", "1g", "٣"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Every other form has the sentence that says what is right."""
    with pytest.raises(ValueError, match="a size is"):
        parse_size(text)


@given(st.integers(0, 10**8))
def test_what_is_written_reads_back(number: int) -> None:
    """Writing loses nothing."""
    assert number == parse_duration(format_duration(number))
    assert number == parse_size(format_size(number))
