"""Each dependency earns its place, in words."""

from __future__ import annotations

from collections.abc import Iterator
import re
import tomllib

from tests.support.markdown import ROOT, read

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME = re.compile(r"[\w-]+(?:\[\w+\])?")


def declared() -> Iterator[str]:
    """Yield the packages that the project asks for, of every extra and group."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    groups = [*extras, *PROJECT["dependency-groups"].values()]
    for requirement in [*PROJECT["project"]["dependencies"], *(each for g in groups for each in g)]:
        if isinstance(requirement, str):
            found = NAME.match(requirement)
            assert found
            yield found[0]


def test_every_dependency_has_its_reason() -> None:
    """The page of dependencies has a row for each package, and none for others."""
    rows = re.findall(r"^\| ([a-z][^|]*) \|", read(ROOT / "docs/dependencies.md"), re.MULTILINE)
    assert set(declared()) == {name for row in rows for name in row.split(", ")}
