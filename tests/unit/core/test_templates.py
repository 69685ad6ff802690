"""Templates: their words, and where each one stands."""

from __future__ import annotations

import pytest

from broker.core.quoting import Quoting
from broker.core.templates import MAX_TEMPLATE_CHARACTERS, BadTemplate, Word, parse_template


def quotings(text: str, *, page: bool = False, before: str = "") -> list[Quoting]:
    """Return how the values of a template's words are written."""
    template = parse_template(text, page=page, before=before)
    return [part.quoting for part in template.parts if isinstance(part, Word)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~text~", [Quoting.PLAIN]),
        ("id=~id~ ~text~", [Quoting.PLAIN, Quoting.PLAIN]),
        ('{"a":~text~,"b":"~text~"}', [Quoting.VALUE, Quoting.QUOTED]),
        ('["\\"~text~\\"",~id~]', [Quoting.QUOTED, Quoting.VALUE]),
        (' "~text~"', [Quoting.QUOTED]),
        ('{"a":~text~', [Quoting.PLAIN]),
        ("{~text~}", [Quoting.PLAIN]),
        ('{"a~text~b":1}', [Quoting.QUOTED]),
    ],
)
def test_values_are_written_as_their_place_asks(text: str, expected: list[Quoting]) -> None:
    """In JSON as JSON, inside its strings as their inside; elsewhere as they are."""
    assert expected == quotings(text)


@pytest.mark.parametrize(
    ("before", "text", "expected"),
    [
        ("", "<b>~text~</b>", [Quoting.MARKUP]),
        ("", "<script>p(~text~,'~text~',\"~text~\");</script>~text~", [
            Quoting.SCRIPT_VALUE, Quoting.SCRIPT_QUOTED, Quoting.SCRIPT_QUOTED, Quoting.MARKUP,
        ]),
        ("<script>", "p('~text~');", [Quoting.SCRIPT_QUOTED]),
        ("<SCRIPT type='x'>", "p(~text~);", [Quoting.SCRIPT_VALUE]),
        ("<p>don't</p>", "<script>p('~text~')</script>", [Quoting.SCRIPT_QUOTED]),
        ("<script>// don't\n/* it's */", "p('a\\'~text~')", [Quoting.SCRIPT_QUOTED]),
        ("<script>'</script>", "~text~", [Quoting.MARKUP]),
    ],
)  # fmt: skip
def test_a_page_is_read_as_browsers_do(before: str, text: str, expected: list[Quoting]) -> None:
    """Text, scripts, their strings and comments; what comes before the messages counts."""
    assert expected == quotings(text, page=True, before=before)


@pytest.mark.parametrize(
    "text",
    [
        "<a href='~text~'>",
        "<a onclick=p(~id~)>",
        "<script>// ~text~\n</script>",
        "<script>/* ~text~ */</script>",
        "<script>p(`~text~`)</script>",
    ],
)
def test_no_value_stands_where_none_is_safe(text: str) -> None:
    """Inside tags, comments and template strings a word is refused."""
    with pytest.raises(BadTemplate, match="cannot stand inside"):
        parse_template(text, page=True)


def test_words_are_in_any_case_and_others_refused() -> None:
    """The nearest word is named; a tilde alone is text."""
    words = list(parse_template("~ID~~Event-Type~ ~ 1~2").parts)
    assert [Word("id", Quoting.PLAIN), Word("event-type", Quoting.PLAIN), " ~ 1~2"] == words
    with pytest.raises(BadTemplate, match='did you mean "~channel~"'):
        parse_template("~chanel~")


@pytest.mark.parametrize("text", ["", " \n", "x" * (MAX_TEMPLATE_CHARACTERS + 1)])
def test_a_template_is_neither_blank_nor_endless(text: str) -> None:
    """Both are the operator's mistake."""
    with pytest.raises(BadTemplate, match=r"blank|at most"):
        parse_template(text)


def test_a_template_knows_whether_it_makes_json() -> None:
    """So that a script can be given its messages as they are."""
    assert parse_template('{"a":~text~}').is_json
    assert not parse_template("~text~").is_json
