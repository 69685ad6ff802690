"""The container image: its steps as a script, and what it starts, without rights and read-only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

import pytest

from tests.support.broker import free_ports
from tests.support.markdown import ROOT
from tests.support.waiting import wait_until

DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
TOOLS = Path(sys.executable).parent
BUILD_DEADLINE_S = 240
START_DEADLINE_S = 20
TARGET = "/opt/broker"
SYSTEM_PYTHON = "/usr/bin/python3"

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """Return the instructions of the Dockerfile, each as its word and the rest."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word
    ]


def last(word: str) -> str:
    """Return what the last instruction of a kind says."""
    return [rest for name, rest in instructions() if name == word][-1]


def environ() -> dict[str, str]:
    """Return the variables that the image sets."""
    return dict(each.split("=", 1) for each in shlex.split(last("ENV")))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Do the steps of the build stage on a copy of what the image is given."""
    if not (TOOLS / "uv").exists():
        pytest.skip("uv is not installed beside Python")
    source = tmp_path_factory.mktemp("image") / "source"
    for word, rest in instructions():
        *names, target = shlex.split(rest)
        if word == "FROM" and "AS" not in names:
            break
        if word == "COPY":
            for name in names:
                _copy(ROOT / name, source, target)
    home = source.parent / "broker"
    path = os.pathsep.join((str(TOOLS), os.environ["PATH"]))
    done = subprocess.run(
        ["sh", "deploy/docker/build.sh", str(home)],
        cwd=source, env={**os.environ, "PATH": path, **_python()}, timeout=BUILD_DEADLINE_S,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stdout + done.stderr
    yield home
    shutil.rmtree(source.parent)


def _python() -> dict[str, str]:
    """Return what makes uv take a Python that users without rights can run, if there is one."""
    version = [SYSTEM_PYTHON, "-c", "import sys, venv; sys.exit(sys.version_info < (3, 11))"]
    try:
        done = subprocess.run(version, capture_output=True, check=False)
    except OSError:
        return {}
    return {"UV_PYTHON": SYSTEM_PYTHON} if done.returncode == 0 else {}


def _copy(source: Path, folder: Path, target: str) -> None:
    """Copy as COPY does: a file into what ends with a slash, of a directory what is in it."""
    place = folder / target
    if source.is_dir():
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        return
    if target.endswith("/"):
        place /= source.name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, place)


def _user(home: Path) -> int | None:
    """Return the user of the image; None where these tests may not become it, or it not run."""
    user = int(last("USER").split(":")[0])
    if os.geteuid() != 0:
        return None
    for each in (home, *home.parents[:3]):
        each.chmod(0o755)
    command = [str(home / "bin" / "python"), "-c", ""]
    try:
        done = subprocess.run(command, user=user, group=user, capture_output=True, check=False)
    except OSError:  # Python itself is in a directory of root's
        return None
    return user if done.returncode == 0 else None


def test_what_is_copied_is_let_through(built: Path) -> None:
    """Every source of a COPY exists, and .dockerignore does not keep it out."""
    assert built.is_dir()
    let_through = set((ROOT / ".dockerignore").read_text().splitlines())
    for word, rest in instructions():
        names = [each for each in shlex.split(rest)[:-1] if not each.startswith(("--", "/"))]
        if word == "COPY" and "--from" not in rest:
            assert [] == [name for name in names if f"!{name}" not in let_through]


def test_nothing_is_installed_but_what_runs(built: Path) -> None:
    """No installer and no test tool is in the image; it is as small as its libraries."""
    [packages] = built.glob("lib/python3.*/site-packages")
    names = {path.name.split("-")[0] for path in packages.glob("*.dist-info")}
    assert "broker" in names
    assert set() == {"pip", "setuptools", "uv", "hatchling", "pytest"} & names
    size = sum(path.stat().st_size for path in built.rglob("*") if path.is_file())
    assert size < 120 * 2**20


def test_it_serves_without_rights_and_is_found_healthy(built: Path, tmp_path: Path) -> None:
    """Entry point, variables, user and health check of the image, with a data directory alone."""
    public, internal = free_ports(2)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    assert "10001:10001" == last("USER")
    user = _user(built)
    told = environ()
    variables = {
        **told,
        "PATH": os.environ["PATH"],
        "BROKER_PUBLIC": told["BROKER_PUBLIC"].replace("8080", str(public)),
        "BROKER_INTERNAL": told["BROKER_INTERNAL"].replace("8081", str(internal)),
        "BROKER_DATA": str(data),
        "BROKER_DRAIN_S": "0",
    }
    assert "/data" == told["BROKER_DATA"] == last("VOLUME") == last("WORKDIR")
    command = [*json.loads(last("ENTRYPOINT")), *json.loads(last("CMD"))]
    program = [word.replace(TARGET, str(built)) for word in command]
    if user is not None:
        for each in (data, *data.parents[:3]):
            each.chmod(0o755)
        os.chown(data, user, user)
    refused = subprocess.run(
        program, cwd=data, env=variables, capture_output=True, text=True, timeout=30, check=False,
        user=user, group=user,
    )  # fmt: skip
    assert 2 == refused.returncode
    assert "BROKER_API_KEYS" in refused.stderr
    variables["BROKER_API_KEYS"] = "app:sixteen-characters"
    check = next(
        rest.partition("CMD ")[2] for word, rest in instructions() if word == "HEALTHCHECK"
    )
    probe = [
        word.replace(TARGET, str(built)).replace("8081", str(internal))
        for word in json.loads(check)
    ]

    def is_healthy() -> bool:
        done = subprocess.run(
            probe, capture_output=True, timeout=30, check=False, user=user, group=user
        )
        return done.returncode == 0

    assert not is_healthy()
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            program, cwd=data, env=variables, stdout=log, stderr=log, user=user, group=user
        ) as running,
    ):
        try:
            wait_until(is_healthy, START_DEADLINE_S, what="the health check succeeds")
            assert user in {None, Path(f"/proc/{running.pid}").stat().st_uid}
        finally:
            running.terminate()
            began = time.monotonic()
            code = running.wait(START_DEADLINE_S)
        assert 0 == code, (tmp_path / "log").read_text()
        assert time.monotonic() - began < START_DEADLINE_S
    lines = (tmp_path / "log").read_text().splitlines()
    assert "stopped" in {json.loads(line).get("event") for line in lines if line.startswith("{")}
