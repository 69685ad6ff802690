"""Pages that are made from the code say what the code says."""

from __future__ import annotations

import re
import shlex

import pytest

from broker.cli.verbs import VERBS
from broker.core.errors import BrokerError
from docs.generate import main
from docs.pages import cli
from docs.pages.errors import ADVICE, errors
from tests.support.markdown import ROOT, invocations, read

ERRORS = ROOT / "docs" / "reference" / "errors.md"


def below(kind: type[BrokerError]) -> set[type[BrokerError]]:
    """Return every class below another."""
    return set(kind.__subclasses__()).union(*map(below, kind.__subclasses__()))


def test_every_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """`make docs` would change nothing; a page that is named here wants it run."""
    assert 0 == main(check=True), capsys.readouterr().out


def test_every_error_is_on_the_page() -> None:
    """Each class below `BrokerError` stands under its slug, with its status and close code."""
    sections = read(ERRORS).split("\n## ")[1:]
    named = {
        (section.split("`")[1], kind)
        for section in sections
        for kind in re.findall(r"`(\w+)`", section.splitlines()[2])
    }
    errors()  # imports every module
    kinds = below(BrokerError)
    assert {(kind.slug, kind.__name__) for kind in kinds} == named
    for kind in kinds:
        row = f"| [{kind.slug}](#{kind.slug}) | {int(kind.status)} | {kind.close_code} |"
        assert row in read(ERRORS)


def test_every_error_has_advice() -> None:
    """There is something to do about each error, and no advice for errors that do not exist."""
    assert errors().keys() == ADVICE.keys()


@pytest.mark.parametrize("verb", VERBS)
def test_every_example_can_be_read(verb: str) -> None:
    """The parser takes each example of a verb's help."""
    examples = cli.examples(verb)
    assert examples
    for example in examples:
        for other, words in invocations(example):
            assert cli.parser(other).parse_args(shlex.split(words)).run


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_tells_its_exit_codes(verb: str) -> None:
    """The help of each verb ends with its exit codes, the page with it."""
    epilog = cli.parser(verb).epilog or ""
    assert "exit codes: 0 " in epilog
    assert epilog.strip() in read(ROOT / "docs" / "reference" / "cli.md")
