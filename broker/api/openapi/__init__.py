"""What the listeners answer, for machines: OpenAPI and AsyncAPI, and a viewer for people."""

from __future__ import annotations

from broker.api.openapi.about import about

__all__ = ["about"]
