"""Node, where it is installed."""

from __future__ import annotations

from pathlib import Path
import os
import re
import shutil
import subprocess
import sys

import pytest

OLDEST = 20
WITH_WEBSOCKET = 22
"""The first version in which `WebSocket` needs no flag."""


def run_node_tests(file: Path, deadline_s: float) -> None:
    """
    Run a file of tests with node's own runner; skip where there is no node.

    Args:
        file: The file.
        deadline_s: Seconds that it may take.

    Raises:
        AssertionError: one failed; what the runner said is in the message.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    major = int(re.findall(r"\d+", version.stdout)[0])
    if major < OLDEST:
        pytest.skip(f"node {OLDEST} is needed, this is {version.stdout.strip()}")
    flags = ["--experimental-websocket"] if major < WITH_WEBSOCKET else []
    done = subprocess.run(
        [node, *flags, "--test", "--test-reporter=spec", str(file)],
        env={**os.environ, "TEST_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=deadline_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^ℹ skipped 0$", done.stdout, re.MULTILINE), done.stdout  # noqa: RUF001 - node's own
