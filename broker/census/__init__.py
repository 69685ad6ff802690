"""The census: nodes ask one another how many subscribers they have, and who these are."""

from __future__ import annotations

from broker.census.census import Census
from broker.census.circle import Circle
from broker.census.counting import headcount
from broker.census.roster import Roster, Wanted
from broker.census.switchboard import Switchboard

__all__ = ["Census", "Circle", "Roster", "Switchboard", "Wanted", "headcount"]
