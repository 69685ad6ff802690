"""A server that somebody else keeps running on this machine, described by a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Any
import json

from benchmarks.peers.base import Interface, Running
from benchmarks.workloads import Transport, Workload

TEXTS = ("subscribe", "publish", "storm", "separator", "body")
LISTS = ("subscribe_headers", "publish_headers", "extra")


class BadDescription(ValueError):
    """The file does not describe a server; the text says what is wrong with it."""


class RunningElsewhere:
    """The server as it is; nothing is started or ended."""

    def __init__(self, interface: Interface) -> None:
        self._interface = interface

    @property
    def interface(self) -> Interface:
        return self._interface

    def stop(self) -> None:
        """Leave it running."""


class Elsewhere:
    """
    A server that is reached by its address, for example push-stream, Centrifugo or Mercure.

    Since it keeps what earlier measurements published, each one has channels of its own.

    Args:
        name: Its name in the report.
        shown: Its version.
        pids: Its processes.
        transports: Members of `Interface` by transport.
    """

    def __init__(
        self, name: str, shown: str, pids: list[int], transports: dict[Transport, dict[str, Any]]
    ) -> None:
        self.name = name
        self._shown = shown
        self._pids = pids
        self._transports = transports
        self._started = 0

    @classmethod
    def read(cls, path: Path) -> Elsewhere:
        """
        Read a description.

        Its members are `name`, `version`, `pids` and `transports`; the last holds, for each
        transport that the server speaks, the members of `Interface` in words of JSON.

        Raises:
            BadDescription: A member is missing, unknown or of a wrong kind.
            OSError: The file cannot be read.
        """
        try:
            document = json.loads(path.read_text())
            transports = {
                Transport(name): _members(members)
                for name, members in document["transports"].items()
            }
            pids = [int(pid) for pid in document["pids"]]
            return cls(str(document["name"]), str(document["version"]), pids, transports)
        except KeyError as exc:
            raise BadDescription(f"{path}: {exc} is missing") from exc
        except (ValueError, TypeError, AttributeError) as exc:
            raise BadDescription(f"{path}: {exc}") from exc

    def missing(self) -> str | None:
        gone = [pid for pid in self._pids if not Path(f"/proc/{pid}").exists()]
        return f"no process {gone[0]}" if gone else None

    def version(self) -> str:
        return self._shown

    def supports(self, workload: Workload) -> bool:
        members = self._transports.get(workload.transport)
        stormed = members is None or not workload.storm or "storm" in members
        return members is not None and stormed and not workload.alone

    def start(self, workload: Workload, directory: Path) -> Running:
        self._started += 1
        members = self._transports[workload.transport]
        channel = f"bench{self._started}_{{n}}"
        return RunningElsewhere(Interface(pids=self._pids, channel=channel, **members))


def _members(members: dict[str, Any]) -> dict[str, Any]:
    """Check the members for one transport."""
    unknown = set(members) - {*TEXTS, *LISTS}
    if unknown:
        known = ", ".join((*TEXTS, *LISTS))
        raise ValueError(f"unknown member {min(unknown)}; there are {known}")
    for name in ("subscribe", "publish"):
        members[name]
    for name, value in members.items():
        wanted: type = str if name in TEXTS else list
        if not isinstance(value, wanted):
            raise TypeError(f"{name} must be a {wanted.__name__}")
    return members
