"""Configurations of nginx as trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.migration import configuration
from broker.migration.configuration import Configuration, read_configuration, walk
from broker.migration.errors import BadConfiguration


def read(directory: Path, text: str, **others: str) -> Configuration:
    """Read a configuration, with other files beside it."""
    for name, content in {"nginx": text, **others}.items():
        (directory / f"{name}.conf").write_text(content)
    return read_configuration(directory / "nginx.conf")


def test_blocks_hold_directives(tmp_path: Path) -> None:
    """A block belongs to the directive before it, with its words."""
    [http] = read(tmp_path, 'http { server { location ~ "^/a{2}" { b c; } } }').directives
    [server] = http.children
    [location] = server.children
    assert ("location", ("~", "^/a{2}")) == (location.name, location.words)
    assert ["b c"] == list(map(str, location.children))


def test_included_files_stand_where_they_are_included(tmp_path: Path) -> None:
    """Names may hold asterisks, and are looked for beside the first file."""
    tree = read(tmp_path, "a; include x*.conf; d;", x1="b;", x2="c;")
    assert ["a", "b", "c", "d"] == [each.name for each in tree.directives]
    assert "x1.conf" == Path(tree.directives[1].place.file).name
    assert 3 == tree.files


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """An include of no file is told; a pattern that matches nothing is right."""
    tree = read(tmp_path, "include none.conf; include none*.conf; a;")
    assert ["include none.conf"] == list(map(str, tree.unread))
    assert ["a"] == [each.name for each in tree.directives]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a", "1:1: a has no ; or { behind it"),
        ("a {", "1:1: the block is never closed"),
        ("}", "1:1: } stands where nothing ends"),
        ("; a;", "1:1: ; stands"),
        ("a { b }", "1:7: } stands"),
        ("include a b;", "1:1: include takes one"),
        ("include nginx.conf;", "1:1: "),
        ("a{" * 40, "blocks nested more than"),
        ("content_by_lua_block { x", "the block is never closed"),
    ],
)
def test_what_is_no_configuration(tmp_path: Path, text: str, fault: str) -> None:
    """What nginx would refuse is refused, with the place."""
    with pytest.raises(BadConfiguration) as refused:
        read(tmp_path, text)
    assert fault in str(refused.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The first file must be there."""
    with pytest.raises(BadConfiguration, match="cannot be read"):
        read_configuration(tmp_path / "none")


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither their size nor their number grows without end."""
    monkeypatch.setattr(configuration, "MAX_FILE_BYTES", 20)
    with pytest.raises(BadConfiguration, match="larger than 20 bytes"):
        read(tmp_path, "a" * 21)
    monkeypatch.setattr(configuration, "MAX_FILES", 2)
    with pytest.raises(BadConfiguration, match="more than 2 files"):
        read(tmp_path, "include x*;", x1="a;", x2="b;")


def test_lua_is_passed_over(tmp_path: Path) -> None:
    """A block of Lua is no block of directives."""
    tree = read(tmp_path, "content_by_lua_block { if a then { 'x } end } b;")
    assert ["content_by_lua_block", "b"] == [each.name for each in tree.directives]


def test_a_directive_is_shown_as_it_can_be_written(tmp_path: Path) -> None:
    """Words that need quotes have them."""
    [directive] = read(tmp_path, r'a "b c" "" d "e\"\r\n";').directives
    assert r'a "b c" "" d "e\"\r\n"' == str(directive)


def test_everything_is_walked(tmp_path: Path) -> None:
    """Directives come in the order of the file, blocks before what they hold."""
    tree = read(tmp_path, "a { b { c; } d; } e;")
    assert list("abcde") == [each.name for each in walk(tree.directives)]
