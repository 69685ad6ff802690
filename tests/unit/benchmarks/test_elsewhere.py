"""Servers that somebody else keeps running."""

from __future__ import annotations

from pathlib import Path
from typing import Any
import json
import os

import pytest

from benchmarks.peers.elsewhere import BadDescription, Elsewhere
from benchmarks.workloads import Transport, Workload

SPOKEN = {"subscribe": "127.0.0.1:1/s/{channels}", "publish": "127.0.0.1:1/p/{channel}"}
WORKLOAD = Workload(name="n", title="t", group="g", figures=())


def describe(path: Path, **parts: Any) -> Path:
    """Write a description with some parts of its own."""
    fixed = {"name": "x", "version": "x 1", "pids": [os.getpid()]}
    path = path / "peer.json"
    path.write_text(json.dumps({**fixed, "transports": {"websocket": SPOKEN}, **parts}))
    return path


def test_read(tmp_path: Path) -> None:
    """Name, version, processes and addresses are taken from the file."""
    peer = Elsewhere.read(describe(tmp_path))
    interface = peer.start(WORKLOAD, tmp_path).interface

    assert ("x", "x 1") == (peer.name, peer.version())
    assert peer.missing() is None
    assert [os.getpid()] == list(interface.pids)
    assert SPOKEN["publish"] == interface.publish


def test_own_channels(tmp_path: Path) -> None:
    """No two measurements use the same channels."""
    peer = Elsewhere.read(describe(tmp_path))
    names = [peer.start(WORKLOAD, tmp_path).interface.channel for _ in range(3)]

    assert 3 == len(set(names))
    assert all("{n}" in name for name in names)


@pytest.mark.parametrize(
    ("changed", "supported"),
    [
        ({}, True),
        ({"transport": Transport.SSE}, False),
        ({"storm": 5}, False),
        ({"alone": True}, False),
    ],
)
def test_supports(tmp_path: Path, changed: dict[str, Any], supported: bool) -> None:
    """Only what it was described for is asked of it."""
    fixed: dict[str, Any] = {"name": "n", "title": "t", "group": "g", "figures": ()}
    peer = Elsewhere.read(describe(tmp_path))

    assert supported == peer.supports(Workload(**{**fixed, **changed}))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"transports": {"pigeon": SPOKEN}}, "pigeon"),
        ({"transports": {"websocket": {**SPOKEN, "sturm": "x"}}}, "unknown member sturm"),
        ({"transports": {"websocket": {"publish": "x"}}}, "'subscribe' is missing"),
        ({"transports": {"websocket": {**SPOKEN, "body": 3}}}, "body must be a str"),
        ({"transports": []}, "peer.json"),
        ({"pids": ["one"]}, "one"),
        ({"pids": None}, "peer.json"),
    ],
)
def test_mistakes(tmp_path: Path, parts: dict[str, Any], words: str) -> None:
    """What is wrong with a description is said."""
    with pytest.raises(BadDescription, match=words):
        Elsewhere.read(describe(tmp_path, **parts))


def test_ended(tmp_path: Path) -> None:
    """A server that has ended is missing."""
    peer = Elsewhere.read(describe(tmp_path, pids=[2**22 + 1]))

    assert "no process 4194305" == peer.missing()
