"""Words of a configuration of nginx."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.core.rules import Place
from broker.migration.errors import BadConfiguration
from broker.migration.tokens import MAX_WORD_CHARACTERS, Tokens


def words(text: str) -> list[str]:
    """Return the words and marks of a text."""
    return [token.text for token in Tokens(text, "n")]


def test_words_end_at_spaces_marks_and_lines() -> None:
    """Spaces, tabs, lines and marks part words; a mark is a word of its own."""
    assert ["a", "b", ";", "c", "{", "}"] == words("a\tb;\r\nc{ }")


def test_comments_are_left_out() -> None:
    """A hash at the beginning of a word hides the rest of its line, and nothing else."""
    assert ["a", "b#c", ";"] == words("a # x ; {\nb#c; # end")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('"a b;{}"', "a b;{}"),
        ("'a \"b\"'", 'a "b"'),
        (r'"say \"no\""', 'say "no"'),
        (r'"a\r\n\tb"', "a\r\n\tb"),
        (r'"\d+\\"', "\\d+\\"),
        ('""', ""),
        ("${arg_id}x", "${arg_id}x"),
    ],
)
def test_quotes_and_escapes(text: str, word: str) -> None:
    """Quotes hold what else parts words; the escapes that nginx knows are resolved."""
    assert [word] == words(text)


def test_a_quoted_mark_is_no_mark() -> None:
    """What stands in quotes is a word."""
    [quoted] = Tokens('";"', "n")
    [mark] = Tokens(";", "n")
    assert ("", ";") == (quoted.mark, mark.mark)


def test_each_word_has_its_place() -> None:
    """Lines and columns are counted from 1."""
    places = [(token.text, *token.place[1:]) for token in Tokens("a b;\n  'c\nd' e;", "n")]
    assert [("a", 1, 1), ("b", 1, 3), (";", 1, 4), ("c\nd", 2, 3)] == places[:4]
    assert ("e", 3, 4) == places[4]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('a "b', "n:1:3: the quote"),
        ('"a"b;', "n:1:4: a space"),
        ("x" * (MAX_WORD_CHARACTERS + 1), "n:1:1: a word of"),
    ],
)
def test_what_is_no_word(text: str, fault: str) -> None:
    """A quote that stays open, or has text behind it, and endless words are refused."""
    with pytest.raises(BadConfiguration) as refused:
        words(text)
    assert str(refused.value).startswith(fault)


@given(st.text(alphabet="ab \n;{}\"'\\$#", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever a file holds, it is words or a refusal, and both have a place in it."""
    places: list[Place] = []
    try:
        places.extend(token.place for token in Tokens(text, "n"))
    except BadConfiguration as exc:
        places.append(exc.place)
    lines = text.split("\n")
    assert all(1 <= place.column <= len(lines[place.line - 1]) + 1 for place in places)


def test_a_block_of_another_language_is_skipped() -> None:
    """What stands in a block of Lua is not read as words."""
    tokens = Tokens("if x { 'y } } end; b", "n")
    tokens.skip_block()
    assert ["end", ";", "b"] == [token.text for token in tokens]
