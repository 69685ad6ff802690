"""The cases of nchan's publisher, played against nchan: what they say of it is true."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest

from tests.conformance.pushstream_module.case import Ask, Listen, Listener
from tests.conformance.pushstream_module.cases_nchan import CASES
from tests.conformance.pushstream_module.play import Player
from tests.support.broker import free_ports
from tests.support.nginx import Nginx, need_nginx

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
CONFIGURATION = """\
load_module {module};
daemon off; master_process on; worker_processes 1; pid nginx.pid; error_log error.log info;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location ~ ^/nchan-pub/([^/]+)$ {{ nchan_publisher; nchan_channel_id $1; }}
        location ~ ^/websocket/([^/]+)$ {{ nchan_subscriber websocket; nchan_channel_id $1; }}
    }}
}}
"""
SAME = [
    case
    for case in CASES
    if not case.differs and all(isinstance(step, Ask | Listen) for step in case.steps)
]
"""Those in which we do as nchan does; what its subscribers are sent has another form."""

_NUMBERS = count()

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


def need_nchan() -> None:
    """Skip the test where nginx or its module is missing."""
    need_nginx()
    if not MODULE.exists():
        pytest.skip("nchan is not installed (Debian: libnginx-mod-nchan)")


@pytest.fixture
async def nchan() -> AsyncIterator[dict[Listener, str]]:
    """Run nginx with nchan."""
    need_nchan()
    directory = Path(mkdtemp(prefix="nchan-"))
    [port] = free_ports(1)
    files = {"nginx.conf": CONFIGURATION.format(module=MODULE, port=port)}
    try:
        async with Nginx(directory, port, "", files):
            url = f"http://127.0.0.1:{port}"
            yield {"public": url, "internal": url}
    finally:
        rmtree(directory, ignore_errors=True)


async def test_nchan_answers_as_the_cases_say(nchan: dict[Listener, str]) -> None:
    """Wherever we claim to answer as nchan does, nchan does."""
    assert len(SAME) > 5
    wrong: dict[str, str] = {}
    for case in SAME:
        names = {"channel": f"c{next(_NUMBERS)}", "other": "o"}
        async with AsyncExitStack() as stack:
            try:
                await Player(nchan, names, stack).play(case)
            except AssertionError as error:
                wrong[case.name] = str(error)
    assert {} == wrong
