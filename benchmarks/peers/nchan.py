"""nchan, a module of nginx written in C: Debian's nginx with libnginx-mod-nchan."""

from __future__ import annotations

from pathlib import Path
from string import Template
import shutil
import subprocess

from benchmarks.peers.base import SSE_HEADERS, Interface, Running
from benchmarks.processes import Child, accepts, free_port, server_cpus
from benchmarks.workloads import Workload

MODULES = (
    Path("/usr/lib/nginx/modules/ngx_nchan_module.so"),
    Path("/usr/lib64/nginx/modules/ngx_nchan_module.so"),
)

CONFIGURATION = Template("""\
load_module $module;
daemon off;
worker_processes $workers;
worker_rlimit_nofile 65536;
pid $directory/nginx.pid;
error_log $directory/error.log warn;
events { worker_connections 30000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_buffer_size 1m;
  client_body_temp_path $directory/body;
  proxy_temp_path $directory/proxy;
  fastcgi_temp_path $directory/fastcgi;
  uwsgi_temp_path $directory/uwsgi;
  scgi_temp_path $directory/scgi;
  nchan_shared_memory_size 512m;
  nchan_message_buffer_length 1000;
  nchan_message_timeout 1h;
  server {
    listen 127.0.0.1:$port backlog=4096 $reuseport;
    location ~ ^/publish/(.+)$$ { nchan_publisher http; nchan_channel_id $$1; }
    location ~ ^/newest/(.+)$$ {
      nchan_websocket_ping_interval 30;
      nchan_subscriber websocket eventsource longpoll;
      nchan_channel_id $$1;
      nchan_channel_id_split_delimiter ",";
      nchan_subscriber_first_message newest;
    }
    location ~ ^/oldest/(.+)$$ {
      nchan_subscriber websocket eventsource longpoll;
      nchan_channel_id $$1;
      nchan_channel_id_split_delimiter ",";
      nchan_subscriber_first_message oldest;
    }
    location ~ ^/poll/(.+)$$ {
      nchan_subscriber interval-poll;
      nchan_channel_id $$1;
      nchan_channel_id_split_delimiter ",";
    }
  }
}
""")


class NchanServer:
    """nginx with nchan, serving."""

    def __init__(self, child: Child, interface: Interface) -> None:
        self._child = child
        self._interface = interface

    @property
    def interface(self) -> Interface:
        return self._interface

    def stop(self) -> None:
        self._child.stop()


class Nchan:
    """nginx with nchan: one worker, 1,000 messages kept per channel, in shared memory."""

    name = "nchan"

    def missing(self) -> str | None:
        if shutil.which("nginx") is None:
            return "nginx is not installed (Debian: nginx-light)"
        if self._module() is None:
            return "nchan is not installed (Debian: libnginx-mod-nchan)"
        return None

    def version(self) -> str:
        shown = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False)
        nginx = shown.stderr.strip().rpartition("/")[2]
        return f"nchan {_package_version('libnginx-mod-nchan')} in nginx {nginx}"

    def supports(self, workload: Workload) -> bool:
        return not workload.alone

    def start(self, workload: Workload, directory: Path) -> Running:
        port = free_port()
        text = CONFIGURATION.substitute(
            module=self._module(),
            directory=directory,
            port=port,
            workers=workload.workers,
            reuseport="reuseport" if workload.workers > 1 else "",
        )
        (directory / "nginx.conf").write_text(text)
        child = Child(
            ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")],
            directory / "output.log",
            server_cpus() if workload.pinned else None,
        )
        child.wait_until(lambda: accepts(port), "nginx")
        return NchanServer(child, self._interface(workload, child.pid, port))

    def _interface(self, workload: Workload, pid: int, port: int) -> Interface:
        where = "poll" if workload.transport == "shortpoll" else "newest"
        return Interface(
            pids=(pid,),
            subscribe=f"127.0.0.1:{port}/{where}/{{channels}}",
            publish=f"127.0.0.1:{port}/publish/{{channel}}",
            storm=f"127.0.0.1:{port}/oldest/{{channels}}",
            separator=",",
            subscribe_headers=SSE_HEADERS.get(workload.transport, ()),
        )

    def _module(self) -> Path | None:
        return next((path for path in MODULES if path.exists()), None)


def _package_version(package: str) -> str:
    """Return the version of a Debian package, or a word for not knowing it."""
    if shutil.which("dpkg-query") is None:
        return "of unknown version"
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout.strip() or "of unknown version"
