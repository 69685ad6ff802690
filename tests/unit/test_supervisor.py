"""The supervisor keeps the workers that it has, whatever starting another one comes to."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest

PROGRAM = """
import errno, logging, os, signal, sys, time
from pathlib import Path
from broker.supervisor import Supervisor, SupervisorLimits

place, failing, deaths = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
supervisor = os.getpid()
really_fork, forks = os.fork, 0

def fork():
    global forks
    forks += 1
    if 2 < forks <= 2 + failing:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return really_fork()

os.fork = fork

def work(number, ready):
    ready()
    while not (place / "ready").exists():
        time.sleep(0.005)
    if number == 0 and not (place / "died").exists():
        (place / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 0:
        os.kill(supervisor, signal.SIGTERM)
    while True:
        signal.pause()

class Roll:
    def started(self):
        print("started", flush=True)

    def ended(self, number, *, died):
        print("ended", number, died, flush=True)

logging.basicConfig(stream=sys.stdout)
limits = SupervisorLimits(first_pause_s=0.01, longest_pause_s=0.02)
pair = Supervisor(2, work, (place / "ready").touch, limits, Roll())
for worker in pair._workers:
    worker.deaths = deaths
descriptors = len(os.listdir("/proc/self/fd"))
code = pair.run()
print("descriptors", len(os.listdir("/proc/self/fd")) - descriptors)
sys.exit(code)
"""


def supervise(directory: Path, *, failing: int = 0, deaths: int = 0) -> list[str]:
    """
    Run a supervisor of two workers, the first of which dies once; return what it said.

    Args:
        directory: For the workers to leave notes in.
        failing: So many times the machine cannot start the worker again.
        deaths: How often workers have died before.
    """
    arguments = (str(directory), str(failing), str(deaths))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
def test_a_machine_that_cannot_fork_costs_no_other_worker(tmp_path: Path) -> None:
    """A worker that cannot be started is tried again, and nothing leaks meanwhile."""
    said = supervise(tmp_path, failing=3)
    notes = [line for line in said if line.startswith(("started", "ended"))]
    assert ["started", "started", "ended 0 True", "started"] == notes[:4]
    assert {"ended 0 False", "ended 1 False"} == {*notes[4:]}
    assert 3 == sum("cannot be started" in line for line in said)
    assert "descriptors 0" in said


def test_a_worker_may_die_any_number_of_times(tmp_path: Path) -> None:
    """After thousands of deaths in a row the pause is as long as it may be, and no number."""
    said = supervise(tmp_path, deaths=5000)
    assert 3 == said.count("started")
    assert any("starting it again in 0.02 s" in line for line in said)
