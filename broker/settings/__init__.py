"""Settings: what an operator can turn, read once from flags and environment."""

from __future__ import annotations

from broker.settings.declare import PREFIX, Setting
from broker.settings.errors import Fault, SettingsError
from broker.settings.kinds import UNIX
from broker.settings.load import GROUPS, SETTINGS, Settings
from broker.settings.reference import describe
from broker.settings.serving import PACKAGED_CONFIG
from broker.settings.storing import MEMORY_STORE
from broker.settings.values import ApiKey, ListenAddress, Secret, without_password

__all__ = [
    "GROUPS",
    "MEMORY_STORE",
    "PACKAGED_CONFIG",
    "PREFIX",
    "SETTINGS",
    "UNIX",
    "ApiKey",
    "Fault",
    "ListenAddress",
    "Secret",
    "Setting",
    "Settings",
    "SettingsError",
    "describe",
    "without_password",
]
