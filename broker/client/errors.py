"""
The errors of the client.

- `ClientError`
    - `Refused`: the broker says no, and would again
        - `Unauthorized`: because of the token or the key
    - `Unreachable`: a publish could not be stored in time
    - `Lost`: a connection could not be made, or ended; subscriptions deal with it themselves
    - `Blocked`: a transport does not get through to the broker; likewise
    - `Closed`: the client was closed before, or meanwhile
    - `Unreadable`: what came is nothing that a broker says

No text of theirs holds a token or a payload.
"""

from __future__ import annotations

from collections.abc import Mapping
import os


class ClientError(Exception):
    """Base of everything that the client raises by itself."""


class Refused(ClientError):
    """
    The broker refuses what was asked for; asking again would not help.

    Args:
        status: HTTP status.
        detail: One sentence on what was wrong.
        problem: Members of the problem document, where there was one (RFC 9457).
    """

    def __init__(
        self, status: int, detail: str, problem: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(f"{detail} ({status})")
        self.status = status
        self.detail = detail
        self.problem = dict(problem or {})


class Unauthorized(Refused):
    """The token or key is missing, bad, expired or revoked."""


class Unreachable(ClientError):
    """
    A publish was not answered in time, whatever was tried.

    It may be stored all the same: publishing again with the same key stores it once.

    Args:
        reason: What happened at the last try.
        idempotency_key: The key that every try carried.
        stored: Messages of a batch that were stored before.
    """

    def __init__(self, reason: str, idempotency_key: str, stored: int = 0) -> None:
        super().__init__(
            f"not answered: {reason}; the idempotency key {idempotency_key} stores it once"
        )
        self.reason = reason
        self.idempotency_key = idempotency_key
        self.stored = stored


class Lost(ClientError):
    """
    A connection could not be made, or ended; coming back can help.

    Args:
        reason: What happened.
        retry_after_s: Seconds that the broker asks to wait, if it does.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Blocked(ClientError):
    """Something between client and broker does not let a transport pass."""


class Closed(ClientError):
    """The client was closed: nothing is asked for any more."""


class Unreadable(ClientError):
    """What came is nothing that a broker says, or longer than the limit."""


def describe(error: BaseException) -> str:
    """Return what an error of the network says, for a person."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
