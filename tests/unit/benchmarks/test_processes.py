"""Child processes and CPUs."""

from __future__ import annotations

from pathlib import Path
import os
import sys

import pytest

from benchmarks.processes import Child, NotServing, mentioning, running_on, wait_gone


def test_ended(tmp_path: Path) -> None:
    """A server that ends at once is told with its last words."""
    child = Child([sys.executable, "-c", "print('no room'); exit(3)"], tmp_path / "log")

    with pytest.raises(NotServing, match=r"ended with 3: no room"):
        child.wait_until(lambda: False, "it")


def test_not_ready(tmp_path: Path) -> None:
    """A server that is not ready in time is told, and ended."""
    child = Child([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log")
    with pytest.raises(NotServing, match="not ready"):
        child.wait_until(lambda: False, "it", timeout_s=0.1)

    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_mentioning(tmp_path: Path) -> None:
    """A process is found by a word of its command line, and waited for until it is gone."""
    child = Child(
        [sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path)], tmp_path / "l"
    )

    child.wait_until(lambda: mentioning(str(tmp_path)) == [child.pid], "it", 10.0)
    child.stop()
    wait_gone([child.pid])

    assert [] == mentioning(str(tmp_path))


def test_cpus(tmp_path: Path) -> None:
    """A child runs on the CPUs that it was given, and this process on its own again."""
    before = os.sched_getaffinity(0)
    cpu = min(before)
    code = "import os; print(sorted(os.sched_getaffinity(0)))"
    child = Child([sys.executable, "-c", code], tmp_path / "log", frozenset({cpu}))
    with pytest.raises(NotServing, match=rf"\[{cpu}\]"):
        child.wait_until(lambda: False, "it")

    assert before == os.sched_getaffinity(0)


def test_running_on_all() -> None:
    """No CPUs mean all."""
    before = os.sched_getaffinity(0)
    with running_on(None):
        assert before == os.sched_getaffinity(0)
