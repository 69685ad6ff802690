"""What is remembered of requests, by their shape: their bytes without the values that change."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Shapes(Generic[T]):
    """
    Remembers something for each shape; the one unused longest goes first.

    Args:
        size: Shapes remembered at most.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[bytes, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, shape: bytes) -> T | None:
        """Return what is remembered for a shape."""
        known = self._known.get(shape)
        if known is not None:
            self._known.move_to_end(shape)
        return known

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()

    def put(self, shape: bytes, known: T) -> None:
        """Remember something for a shape."""
        self._known[shape] = known
        self._known.move_to_end(shape)
        if len(self._known) > self._size:
            self._known.popitem(last=False)
