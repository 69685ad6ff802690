"""The internal listener: publishing, channels, health."""

from __future__ import annotations

from broker.api.access import Exposed, check_exposure
from broker.api.endpoints import make_api
from broker.api.services import Services

__all__ = ["Exposed", "Services", "check_exposure", "make_api"]
