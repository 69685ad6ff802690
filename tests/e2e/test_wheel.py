"""The wheel holds everything the program needs, and works where the source tree is not."""

from __future__ import annotations

from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile
import json
import os
import subprocess
import sys
import sysconfig
import venv

import pytest

import broker

ROOT = Path(broker.__file__).parent.parent
BUILD_DEADLINE_S = 60
"""Seconds that building, installing or one run of the program may take."""

EVERY_MODULE = """\
import broker, importlib, json, pkgutil
names = [module.name for module in pkgutil.walk_packages(broker.__path__, "broker.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(json.dumps({"file": broker.__file__, "version": broker.__version__, "modules": names}))
"""


@dataclass(frozen=True)
class Installed:
    """
    A wheel, installed without the tree.

    Attributes:
        wheel: The file that was installed.
        home: The environment it was installed into.
    """

    wheel: Path
    home: Path

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of the environment, far from the tree, and return what it prints."""
        unrelated = ("PYTHON", "VIRTUAL_ENV", "COV", "COVERAGE")
        environ = {key: value for key, value in os.environ.items() if not key.startswith(unrelated)}
        return run(str(self.home / "bin" / program), *arguments, cwd=self.home, env=environ)


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command, fail with what it said, return what it printed."""
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=BUILD_DEADLINE_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel and install it into an environment of its own, without the network."""
    home = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "hatchling", "build", "--target", "wheel")
    run(*build, "--directory", str(home / "dist"), cwd=ROOT)
    (wheel,) = (home / "dist").glob("*.whl")
    venv.create(home / "venv", with_pip=False)
    uv = str(Path(sys.executable).with_name("uv"))
    install = (uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--no-cache")
    python = home / "venv" / "bin" / "python"
    run(*install, "--python", str(python), str(wheel), cwd=home)
    lend_dependencies(python)
    return Installed(wheel, home / "venv")


def lend_dependencies(python: Path) -> None:
    """
    Let an environment find the packages of this one.

    Files named `.pth` are not followed twice, so the tree that this environment knows by its own
    `.pth` stays unknown there.
    """
    find = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = Path(run(str(python), "-c", find, cwd=python.parent).strip())
    (place / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")


def test_the_wheel_holds_every_file_of_the_package(installed: Installed) -> None:
    """Each file of the tree's package is in the wheel, nothing else is: Lua, rules, py.typed."""
    tree = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "broker").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with ZipFile(installed.wheel) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
        rules = wheel.read("broker/channels.yaml")

    assert tree == packed
    assert {"broker/py.typed", "broker/channels.yaml", "broker/store/publish.lua"} <= packed
    assert (ROOT / "channels.yaml").read_bytes() == rules


def test_the_wheel_names_its_licence_and_program(installed: Installed) -> None:
    """The wheel says its version, its licence, the Python it needs and the program it brings."""
    with ZipFile(installed.wheel) as wheel:
        info = next(Path(name).parent for name in wheel.namelist() if name.endswith("/METADATA"))
        metadata = HeaderParser().parsestr(wheel.read(f"{info}/METADATA").decode())
        programs = wheel.read(f"{info}/entry_points.txt").decode()
        assert f"{info}/licenses/LICENSE" in wheel.namelist()

    assert (broker.__version__, "MIT", ">=3.11") == (
        metadata["Version"],
        metadata["License-Expression"],
        metadata["Requires-Python"],
    )
    assert "broker = broker.__main__:main" in programs


def test_every_module_is_imported_without_the_tree(installed: Installed) -> None:
    """All modules are found in the installed package and import each other there."""
    found = json.loads(installed.run("python", "-c", EVERY_MODULE))
    assert Path(found["file"]).is_relative_to(installed.home)
    assert broker.__version__ == found["version"]
    assert "broker.store.base" in found["modules"]


def test_the_packaged_rules_are_used_without_the_tree(installed: Installed) -> None:
    """Where no channels.yaml lies about, the settings name the packaged one."""
    ask = "from broker.settings import Settings; print(Settings.load({}, {}).config)"
    config = Path(installed.run("python", "-c", ask).strip())
    assert config.is_relative_to(installed.home)
    assert (ROOT / "channels.yaml").read_bytes() == config.read_bytes()


def test_the_program_runs_without_the_tree(installed: Installed) -> None:
    """`broker --help` of the installed wheel lists its verbs."""
    printed = installed.run("broker", "--help")
    assert "serve" in printed
