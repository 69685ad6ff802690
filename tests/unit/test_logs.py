"""Log lines: JSON with what happened in members of their own, text for people."""

from __future__ import annotations

from collections.abc import Iterator
import io
import json
import logging

import pytest

from broker.logs import JsonFormatter, TextFormatter, event, request_id


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Give what a logger of the broker writes as JSON."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("broker.example")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield text
    logger.removeHandler(handler)


LOGGER = logging.getLogger("broker.example")


def test_an_event_has_its_name_and_its_facts(written: io.StringIO) -> None:
    """Whoever reads lines by machine need not take sentences apart."""
    LOGGER.info("stopping over %g s", 10.0, extra=event("stopping", drain_s=10.0))
    line = json.loads(written.getvalue())
    told = {"event": "stopping", "drain_s": 10.0, "message": "stopping over 10 s"}
    assert told == {name: line[name] for name in told}
    assert ("info", "broker.example") == (line["level"], line["logger"])


def test_facts_do_not_hide_what_every_line_has(written: io.StringIO) -> None:
    """A fact that is called like a member of every line gives way."""
    LOGGER.info("hello", extra=event("greeting", level="none", message="other"))
    line = json.loads(written.getvalue())
    assert ("info", "hello", "greeting") == (line["level"], line["message"], line["event"])


def test_lines_of_a_request_carry_its_id(written: io.StringIO) -> None:
    """As JSON and as text, and only while it is answered."""
    record = logging.LogRecord("broker.example", logging.INFO, "", 0, "hello", None, None)
    before = TextFormatter().format(record)
    token = request_id.set("r-1")
    try:
        LOGGER.info("hello")
        assert f"{before} [request r-1]" == TextFormatter().format(record)
    finally:
        request_id.reset(token)
    LOGGER.info("hello")
    first, second = map(json.loads, written.getvalue().splitlines())
    assert "r-1" == first["request_id"]
    assert "request_id" not in second


def test_a_traceback_is_one_member(written: io.StringIO) -> None:
    """Even what fails is one line."""
    try:
        raise KeyError("missing")  # noqa: TRY301
    except KeyError:
        LOGGER.exception("it failed")
    [line] = written.getvalue().splitlines()
    assert "KeyError: 'missing'" in json.loads(line)["traceback"]
