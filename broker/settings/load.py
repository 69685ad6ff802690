"""The settings of one process: made once, of flags and environment, with every fault named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
import re

from broker.settings.access import Access
from broker.settings.declare import PREFIX, Setting, declared
from broker.settings.delivering import Delivering
from broker.settings.errors import Fault, SettingsError, Unreadable, nearest
from broker.settings.publishing import Publishing
from broker.settings.serving import PACKAGED_CONFIG, Serving
from broker.settings.storing import MEMORY_STORE, Storing
from broker.settings.subscribing import Subscribing

GROUPS = (Serving, Storing, Access, Subscribing, Publishing, Delivering)
"""The groups of settings, in the order of the reference."""

OWN_CONFIG = Path("channels.yaml")
"""Channel rules of the working directory."""

ADVISED_KEY_CHARS = 16

SERVICE_LINK = re.compile(r"BROKER_(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\d+_(TCP|UDP)\w*)?)")
"""What Kubernetes puts into the environment of every pod beside a service named `broker`."""


class _Told(NamedTuple):
    """What somebody said of a setting, and where."""

    setting: Setting
    source: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Settings(Delivering, Publishing, Subscribing, Access, Storing, Serving):
    """
    Every setting of the broker; the last base comes first, as dataclasses have it.

    Made by `load`; tests may make one of keyword arguments, which are then not checked.

    Source: `docs/reference/settings.md`, which is made of the declarations.
    """

    @classmethod
    def load(cls, flags: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
        """
        Make the settings; a flag wins over the environment, which wins over the default.

        Args:
            flags: What the command line says, by name of the setting (`max_channels`).
            environ: The environment; names that do not begin with `BROKER_` are not looked at.

        Raises:
            SettingsError: with everything that is wrong, unknown names included.
        """
        faults = [*_unknown(flags, environ)]
        told = {told.setting.name: told for told in _told(flags, environ)}
        values: dict[str, Any] = {}
        for name, (setting, source, text) in told.items():
            try:
                values[name] = setting.kind.read(text)
            except Unreadable as error:
                shown = None if setting.kind.secret else text
                faults.append(Fault(source, shown, error.problem, error.nearest))
        values.setdefault("config", OWN_CONFIG if OWN_CONFIG.is_file() else PACKAGED_CONFIG)
        settings = cls(**values)
        faults += settings._conflicts({name: told[name].source for name in told})
        if faults:
            raise SettingsError(faults)
        return settings

    def cautions(self) -> list[str]:
        """Return what is allowed and still worth a word at start, one sentence each."""
        cautions = [
            f"The API key of {key.name} is shorter than {ADVISED_KEY_CHARS} characters."
            for key in self.api_keys
            if len(key.key.reveal()) < ADVISED_KEY_CHARS
        ]
        if self.store == MEMORY_STORE:
            cautions.append("Messages live in this process alone and end with it.")
        return cautions

    def _conflicts(self, sources: Mapping[str, str]) -> Iterator[Fault]:
        """Yield what is wrong between settings that are right by themselves."""

        def fault(name: str, problem: str, hint: str = "") -> Fault:
            setting = SETTINGS[name]
            text = setting.kind.show(getattr(self, name))
            return Fault(sources.get(name, setting.env), text, problem, hint)

        if not self.internal.is_local and not self.api_keys:
            problem = "other machines can reach it, and there are no API keys; set BROKER_API_KEYS"
            yield fault("internal", problem, f"127.0.0.1:{self.internal.port}")
        if self.internal == self.public and (self.public.path or self.public.port):
            yield fault("internal", "the public listener has the same address")
        if self.workers > 1 and self.store == MEMORY_STORE:
            yield fault("workers", f"{MEMORY_STORE} belongs to a single process", "1")
        if self.token_cookie and "*" in self.allowed_origins:
            problem = "pages of other sites send it too; name your own in allowed_origins"
            yield fault("token_cookie", problem)
        if self.store_replicas and self.store in ("", MEMORY_STORE):
            yield fault("store_replicas", "only a store of your own has replicas", "0")
        if self.max_message_bytes > self.max_body_bytes:
            most = SETTINGS["max_body_bytes"].kind.show(self.max_body_bytes)
            yield fault("max_message_bytes", "more than max_body_bytes lets in", most)
        if "config" in sources and not self.config.is_file():
            yield fault("config", "there is no such file", _nearest_file(self.config))


SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in declared(Settings)}
"""Every setting by name."""


def _told(flags: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[_Told]:
    for name, setting in SETTINGS.items():
        if name in flags:
            yield _Told(setting, setting.flag, flags[name])
        elif setting.env in environ:
            yield _Told(setting, setting.env, environ[setting.env])


def _unknown(flags: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[Fault]:
    for name in sorted(flags.keys() - SETTINGS.keys()):
        near = nearest(name, SETTINGS)
        hint = SETTINGS[near].flag if near else ""
        yield Fault("--" + name.replace("_", "-"), None, "there is no such setting", hint)
    known = {setting.env for setting in SETTINGS.values()}
    for env in sorted(name for name in environ.keys() - known if name.startswith(PREFIX)):
        if not SERVICE_LINK.fullmatch(env):
            near = nearest(env.removeprefix(PREFIX), SETTINGS)
            hint = SETTINGS[near].env if near else ""
            yield Fault(env, None, "there is no such setting", hint)


def _nearest_file(path: Path) -> str:
    beside = [file.name for file in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    found = nearest(path.name, beside)
    return str(path.with_name(found)) if found else ""
