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

GUARDS = frozenset({
    "allow",
    "auth_basic",
    "auth_basic_user_file",
    "auth_jwt",
    "auth_request",
    "deny",
    "internal",
    "limit_conn",
    "limit_except",
    "limit_rate",
    "limit_req",
    "referer_hash_max_size",
    "satisfy",
    "secure_link",
    "secure_link_md5",
    "secure_link_secret",
    "ssl_verify_client",
    "valid_referers",
})  # fmt: skip
"""Directives of nginx that decide who gets in: what they guard is unguarded without them."""

TAKEN = frozenset({"client_max_body_size", "default_type", "gzip", "gzip_types"})
"""Directives of nginx that say something about an endpoint's mounts."""
