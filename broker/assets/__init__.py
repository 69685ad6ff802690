"""Files that listeners hand out as they are: the client for JavaScript, the console."""

from __future__ import annotations

from broker.assets.asset import Asset, load_asset, load_assets

__all__ = ["Asset", "load_asset", "load_assets"]
