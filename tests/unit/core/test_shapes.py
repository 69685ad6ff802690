"""What is remembered of requests."""

from __future__ import annotations

from broker.core.shapes import Shapes


def test_the_shapes_forget_what_was_unused_longest() -> None:
    """The number of remembered requests is bounded."""
    shapes: Shapes[int] = Shapes(2)
    shapes.put(b"a", 1)
    shapes.put(b"b", 2)
    assert 1 == shapes.get(b"a")
    shapes.put(b"c", 3)
    assert shapes.get(b"b") is None
    assert 2 == len(shapes)
