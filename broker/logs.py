"""Logs: one line an event, as text or as JSON; never a token, never a payload."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime
import logging
import sys

import orjson

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

_EVENT = "event"
_FACTS = "facts"

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request that is being answered; every line that is logged meanwhile carries it."""


def event(name: str, **facts: object) -> dict[str, object]:
    """
    Return the `extra` of a line that tells one event in the life of the broker.

    Args:
        name: What happened, in lower case with hyphens; the same for every such line.
        **facts: What JSON lines carry beside the message; never a token or a payload.

    Example:
        _log.info("stopping over %g s", drain_s, extra=event("stopping", drain_s=drain_s))
    """
    return {_EVENT: name, _FACTS: facts}


class JsonFormatter(logging.Formatter):
    """
    One JSON object a line.

    `time`, `level`, `logger`, `message` and `pid`; of an event in the broker's life also `event`
    and its facts; `request_id` while a request is answered, `traceback` where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        told = record.__dict__
        if _EVENT in told:
            line = {**told[_FACTS], **line, "event": told[_EVENT]}
        if identity := request_id.get():
            line["request_id"] = identity
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class TextFormatter(logging.Formatter):
    """A line for people: time, level, logger and message, and the request's id if there is one."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line without a traceback."""
        identity = request_id.get()
        line = super().formatMessage(record)
        return f"{line} [request {identity}]" if identity else line


def set_up_logs(level: str, form: str) -> None:
    """
    Send the process's log lines to standard error.

    Args:
        level: Least important kind of line: debug, info, warning or error.
        form: `text` or `json`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
