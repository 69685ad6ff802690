"""Times, sizes and numbers of nginx."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from broker.migration.measures import BadMeasure, read_number, read_size_bytes, read_time_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("1h30m", 5400), ("1h 30m", 5400), ("500ms", 1), ("2d", 172_800)],
)
def test_times(text: str, seconds: int) -> None:
    """Seconds without a unit, several units in a row, parts of a second rounded up."""
    assert seconds == read_time_s(text)


@pytest.mark.parametrize(("text", "size"), [("10", 10), ("32k", 32_768), ("1M", 1_048_576)])
def test_sizes(text: str, size: int) -> None:
    """Bytes without a unit; units in either case."""
    assert size == read_size_bytes(text)


@pytest.mark.parametrize("read", [read_time_s, read_size_bytes, read_number])
@pytest.mark.parametrize("text", ["", "x", "$arg_a", "-1", "1x"])
def test_what_is_none(read: Callable[[str], int], text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(BadMeasure):
        read(text)
