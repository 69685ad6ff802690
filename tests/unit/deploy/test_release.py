"""What a release is made of: one version, a licence, the supported Pythons, a bill of materials."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
import json
import re
import subprocess
import sys
import tomllib

import pytest

from tests.support.markdown import ROOT
import broker

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
UV = Path(sys.executable).with_name("uv")


def test_the_version_stands_in_one_place() -> None:
    """The package says its version; the project, and what is installed, take it from there."""
    assert ["version"] == PROJECT["project"]["dynamic"]
    assert "broker/__init__.py" == PROJECT["tool"]["hatch"]["version"]["path"]
    try:
        assert broker.__version__ == metadata("broker")["Version"]
    except PackageNotFoundError:
        pytest.skip("the project is not installed")


def test_the_supported_pythons_are_named() -> None:
    """Python 3.11 to 3.14, and the least of them is what installers ask for."""
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    assert ["3.11", "3.12", "3.13", "3.14"] == named
    assert f">={named[0]}" == PROJECT["project"]["requires-python"]


def test_the_licence_is_there() -> None:
    """The licence file is the one that the project names."""
    assert "MIT" == PROJECT["project"]["license"]
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_the_bill_of_materials_names_every_package() -> None:
    """It holds what a plain install brings, exactly as locked, and is the same each time."""
    if not UV.exists():
        pytest.skip("uv is not installed beside Python")
    first, second = bill(), bill()
    assert first == second
    document = json.loads(first)
    assert broker.__version__ == document["metadata"]["component"]["version"]
    named = {each["name"]: each["version"] for each in document["components"]}
    locked = {each["name"]: each.get("version", "") for each in LOCK["package"]}
    asked = {re.split(r"[\[<>=]", each)[0].lower() for each in PROJECT["project"]["dependencies"]}
    assert set() == asked - named.keys()
    assert {name: locked[name] for name in named} == named
    assert "pytest" not in named


def bill() -> str:
    """Make the bill of materials as `make sbom` does."""
    export = ["export", "--frozen", "--offline", "--quiet", "--no-dev", "--format", "cyclonedx1.5"]
    written = subprocess.run(
        [UV, *export], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    script = [sys.executable, str(ROOT / ".ci" / "sbom.py")]
    done = subprocess.run(
        script, input=written.stdout, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
