"""What schemathesis has to be told: how lines of JSON are sent."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_: Any, value: Any) -> bytes:
    """Return a body as it is: the document says that it is text."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")
