"""A real nginx in front of something, started, restarted and ended by a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shutil import which
from types import TracebackType
from typing import Self
import os
import signal
import socket
import subprocess

import pytest

from tests.support.markdown import ROOT
from tests.support.program import die_with_parent
from tests.support.waiting import eventually

DEPLOY = ROOT / "deploy" / "nginx"
"""The configuration for whoever runs the broker."""

START_DEADLINE_S = 10.0

_LOG = "/var/log/nginx/broker.log"
_AROUND = """\
daemon off; master_process on; worker_processes 1; pid nginx.pid; error_log error.log info;
events { worker_connections 512; }
http {
    access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
%s
}
"""


def installed() -> str:
    """Return the path of nginx, empty where there is none."""
    return which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""


def need_nginx() -> str:
    """Return the path of nginx; the test is skipped where there is none."""
    return installed() or pytest.skip("nginx is not installed (Debian: nginx-light)")


class Nginx:
    """
    A running nginx; as an async context manager it is killed at the end.

    Args:
        directory: Where its files are; must exist.
        port: Where it listens, for the wait until it does.
        http: What stands in the block `http`.
        files: Further files beside its configuration, by name.
    """

    def __init__(
        self, directory: Path, port: int, http: str, files: Mapping[str, str] | None = None
    ) -> None:
        self.directory = directory
        self.port = port
        self._program = need_nginx()
        self._process: subprocess.Popen[bytes] | None = None
        for name, text in {"nginx.conf": _AROUND % http, **(files or {})}.items():
            (directory / name).write_text(text)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(signal.SIGKILL)
        print(f"nginx logged:\n{self.log[-4000:]}")

    async def start(self) -> None:
        """
        Start it and wait until it listens.

        Raises:
            AssertionError: it ended, or does not listen in time; what it said is in the message.
        """
        said = self.directory / "said"
        with said.open("wb") as out:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it is no matter of a millisecond
                [self._program, "-p", self.directory, "-c", "nginx.conf", "-e", "error.log"],
                stdout=out,
                stderr=out,
                start_new_session=True,  # its workers end with it
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it makes one system call
            )
        process = self._process
        try:
            await eventually(
                lambda: process.poll() is not None or self.listens(),
                START_DEADLINE_S,
                what="nginx listens",
            )
            assert process.poll() is None, f"it ended with {process.returncode}"
        except AssertionError as error:
            raise AssertionError(f"{error}\n{said.read_text()}") from None

    @property
    def log(self) -> str:
        """What it has logged as errors."""
        return (self.directory / "error.log").read_text(errors="replace")

    async def restart(self) -> None:
        """End it at once with all connections, as a restart of the service may, and start it."""
        self._end(signal.SIGTERM)
        await self.start()

    def reload(self) -> None:
        """Have it read its configuration again, as its service does."""
        assert self._process is not None, "it was never started"
        self._process.send_signal(signal.SIGHUP)

    def listens(self) -> bool:
        """Tell whether somebody listens on its port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)
        self._process.wait(START_DEADLINE_S)


def included(directory: Path) -> dict[str, str]:
    """Return the files that locations include, by name, which log into a directory of the test."""
    proxy = (DEPLOY / "broker-proxy.conf").read_text(encoding="utf-8")
    assert _LOG in proxy
    return {
        "broker-proxy.conf": proxy.replace(_LOG, str(directory / "error.log")),
        "broker-internal.conf": (DEPLOY / "broker-internal.conf").read_text(encoding="utf-8"),
    }


def migrated_front(directory: Path, public: str, internal: str, port: int, locations: str) -> Nginx:
    """
    Return an nginx with the locations that `broker migrate` wrote, not started yet.

    Args:
        directory: Where its files are.
        public: Host and port of the public listener.
        internal: Host and port of the internal one.
        port: Where it listens.
        locations: The locations.
    """
    text = (DEPLOY / "broker.conf").read_text(encoding="utf-8")
    upstreams = text[: text.index("server {\n    listen")]
    upstreams = upstreams.replace("127.0.0.1:8080", public).replace("127.0.0.1:8081", internal)
    server = f"server {{ listen 127.0.0.1:{port}; include broker-locations.conf; }}"
    files = {"broker-locations.conf": locations, **included(directory)}
    return Nginx(directory, port, f"{upstreams}\n{server}", files)


def deployed(directory: Path, public: str, internal: str, port: int, certificate: Path) -> Nginx:
    """
    Return the nginx that whoever runs the broker is told to put in front, not started yet.

    Args:
        directory: Where its files are.
        public: Host and port of the public listener.
        internal: Host and port of the internal one.
        port: Where it listens.
        certificate: PEM file with certificate and key.
    """
    text = (DEPLOY / "broker.conf").read_text(encoding="utf-8")
    for before, after in {
        "127.0.0.1:8080": public,
        "127.0.0.1:8081": internal,
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/broker.pem": str(certificate),
        "/etc/ssl/broker.key": str(certificate),
    }.items():
        assert before in text
        text = text.replace(before, after)
    return Nginx(directory, port, text, included(directory))
