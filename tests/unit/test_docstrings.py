"""Whatever is public says what it is for, itself or through the contract that it implements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
import inspect
import pkgutil

import pytest

import broker

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(broker.__path__, "broker.")
    if not module.name.rpartition(".")[2].startswith("_")
)


def undocumented(module: ModuleType) -> Iterator[str]:
    """Yield the public classes, functions and methods of a module without a docstring."""
    for name, member in public(vars(module)):
        if getattr(member, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(member):
            methods = [each for each in public(vars(member)) if is_callable(each[1])]
            yield from (f"{name}.{each}" for each, _ in methods if silent(getattr(member, each)))
        if (inspect.isclass(member) or inspect.isfunction(member)) and silent(member):
            yield name


def public(members: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield what does not begin with an underscore."""
    yield from ((name, each) for name, each in members.items() if not name.startswith("_"))


def is_callable(member: object) -> bool:
    """Tell whether a member of a class is something to call or a computed attribute."""
    kinds = (staticmethod, classmethod, property)
    return inspect.isfunction(member) or isinstance(member, kinds)


def silent(member: object) -> bool:
    """Tell whether neither a member nor what it overrides has a docstring."""
    return not inspect.getdoc(member)


@pytest.mark.parametrize("name", MODULES)
def test_public_docstrings_are_complete(name: str) -> None:
    """Every public class, function and method has a docstring, or inherits one."""
    module = import_module(name)
    assert not list(undocumented(module))
    assert module.__doc__ or not Path(str(module.__file__)).read_text(encoding="utf-8")
