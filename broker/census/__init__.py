"""The census: nodes ask one another how many subscribers they have."""

from __future__ import annotations

from broker.census.census import Census
from broker.census.counting import headcount, subscribers
from broker.census.switchboard import Switchboard

__all__ = ["Census", "Switchboard", "headcount", "subscribers"]
