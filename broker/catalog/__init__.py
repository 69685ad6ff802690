"""The catalogue: `channels.yaml`, read with every mistake named, asked by channel."""

from __future__ import annotations

from broker.catalog.catalog import Catalog
from broker.catalog.problems import CatalogError, Problem

__all__ = ["Catalog", "CatalogError", "Problem"]
