"""What becomes of each directive, of both modules and of nginx itself."""

from __future__ import annotations

from broker.migration import nchan_leftovers, nchan_rows, pushstream_rows
from broker.migration.rows import Row

PUSH_STREAM: tuple[Row, ...] = pushstream_rows.ROWS
"""The directives of the push-stream module."""

NCHAN: tuple[Row, ...] = (*nchan_rows.ROWS, *nchan_leftovers.ROWS)
"""The directives of nchan, with those of the push module that it still takes."""

TABLE = {row.name: row for row in (*PUSH_STREAM, *NCHAN)}
"""Every directive of both modules by its name."""

CLOSING = frozenset({
    "auth_basic",
    "auth_jwt",
    "auth_request",
    "deny",
    "internal",
    "secure_link",
    "secure_link_md5",
    "secure_link_secret",
    "ssl_verify_client",
})  # fmt: skip
"""Directives of nginx that keep some people out: what they guard asks for a token here."""

GUARDS = CLOSING | {
    "allow",
    "auth_basic_user_file",
    "limit_conn",
    "limit_except",
    "limit_rate",
    "limit_req",
    "satisfy",
    "valid_referers",
}
"""Directives of nginx that have a say in who gets in, or how often."""

TAKEN = {
    "client_max_body_size": "max_message",
    "default_type": "content_type",
    "gzip": "compress",
    "gzip_types": "compress",
}
"""Directives of nginx that say something about an endpoint's mounts, and the key for it."""
