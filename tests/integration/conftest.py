"""What these tests speak to unless they say otherwise."""

from __future__ import annotations

from tests.support.default_node import http, node

__all__ = ["http", "node"]
