"""Locations of the nginx in front."""

from __future__ import annotations

from pathlib import Path

from broker.migration.configuration import read_configuration
from broker.migration.migrate import migrate
from broker.migration.proxying import locations

TEXT = """
location /pub { push_stream_publisher; push_stream_channels_path $arg_id; }
location ~ /sub/(.*) { push_stream_subscriber; push_stream_channels_path $1; }
location = /news { nchan_pubsub; nchan_channel_id a; }
"""


def test_each_path_leads_to_its_listener(tmp_path: Path) -> None:
    """Subscribers to the public one, publishers to the internal one; a shared path by method."""
    file = tmp_path / "nginx.conf"
    file.write_text(TEXT)
    written = locations(migrate(read_configuration(file)), "nginx.conf")
    blocks = dict(block.split(" {\n", 1) for block in written.split("location ")[1:])
    assert "    include broker-internal.conf;\n}\n" == blocks['= "/pub"']
    assert "    include broker-proxy.conf;\n}\n" == blocks['^~ "/sub/"']
    assert "return 418" in blocks['= "/news"']
    assert "    include broker-internal.conf;\n}\n" == blocks["@broker_publishing"]
