"""The files for proxies, as they stand: the own check of each proxy takes them."""

from __future__ import annotations

from pathlib import Path
import os
import shutil
import subprocess

import pytest

from tests.support.markdown import ROOT
from tests.support.nginx import need_nginx
from tests.support.taken import self_signed

DEPLOY = ROOT / "deploy"
NGINX = """\
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    include broker.conf;
}
"""


def checked(folder: Path, *command: str) -> str:
    """Run a check, which must find nothing; return what it printed."""
    home = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **home}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    printed = done.stdout + done.stderr
    assert 0 == done.returncode, printed
    return printed


def program(name: str) -> str:
    """Return the path of a proxy; the test is skipped where it is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return found or pytest.skip(f"{name} is not installed (Debian: {name})")


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    """`nginx -t` finds nothing in `deploy/nginx`, but for the certificate that it is given."""
    self_signed(tmp_path)
    for path in (DEPLOY / "nginx").glob("*.conf"):
        shutil.copy(path, tmp_path)
    text = (tmp_path / "broker.conf").read_text()
    for file in ("/etc/ssl/broker.pem", "/etc/ssl/broker.key"):
        assert file in text
        text = text.replace(file, str(tmp_path / "certificate.pem"))
    (tmp_path / "broker.conf").write_text(text.replace("/var/log/nginx", str(tmp_path)))
    (tmp_path / "nginx.conf").write_text(NGINX)
    told = checked(
        tmp_path, need_nginx(), "-t", "-p", str(tmp_path), "-c", "nginx.conf", "-e", "stderr"
    )
    assert "[warn]" not in told


def test_haproxy_takes_its_file(tmp_path: Path) -> None:
    """`haproxy -c` finds nothing, not even something to warn of, but for the certificate."""
    haproxy = program("haproxy")
    self_signed(tmp_path)
    text = (DEPLOY / "haproxy" / "haproxy.cfg").read_text()
    assert "/etc/haproxy/broker.pem" in text
    text = text.replace("/etc/haproxy/broker.pem", str(tmp_path / "certificate.pem"))
    (tmp_path / "haproxy.cfg").write_text(text)
    assert "WARNING" not in checked(tmp_path, haproxy, "-c", "-V", "-f", "haproxy.cfg")


def test_caddy_takes_its_file(tmp_path: Path) -> None:
    """`caddy validate` finds nothing, and `caddy fmt` would write it so."""
    caddy = program("caddy")
    shutil.copy(DEPLOY / "caddy" / "Caddyfile", tmp_path)
    told = checked(tmp_path, caddy, "validate", "--config", "Caddyfile", "--adapter", "caddyfile")
    assert "Valid configuration" in told
    assert '"level":"warn"' not in told
    checked(tmp_path, caddy, "fmt", "--diff", "Caddyfile")
