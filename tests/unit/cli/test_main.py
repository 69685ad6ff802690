"""The command line as a whole."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
import argparse
import os
import runpy
import subprocess
import sys

import pytest

from broker import __version__
from broker.cli.main import main
from broker.cli.verbs import VERBS, Refused


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int]], None]:
    """Return what makes `check` run a function."""

    def replace(run: Callable[[], int]) -> None:
        made = ModuleType("check")

        def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
            subparsers.add_parser("check").set_defaults(run=lambda _: run())

        vars(made)["add"] = add
        monkeypatch.setitem(sys.modules, "broker.cli.check", made)

    return replace


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """With what it does, and examples."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    told = capsys.readouterr().out
    assert 0 == caught.value.code
    assert all(name in told and summary in told for name, summary in VERBS.items())


@pytest.mark.parametrize("verb", ["check", "token", "explain"])
def test_help_of_a_verb_has_examples_and_exit_codes(
    capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """What a person looks for first."""
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    told = capsys.readouterr().out
    assert 0 == caught.value.code
    assert VERBS[verb].capitalize() in told
    assert f"  broker {verb} " in told
    assert "exit codes: 0 " in told


@pytest.mark.parametrize("words", [[], ["chekc"], ["check", "--nonsense"], ["explain"]])
def test_wrong_usage_ends_with_2(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """And says what is right on standard error."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    told = capsys.readouterr()
    assert 2 == caught.value.code
    assert "usage: broker" in told.err
    assert "" == told.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["chekc"], "there is no verb chekc (nearest: check); there is serve, publish, tail"),
        (["serve", "--pubic", "127.0.0.1:1"], "broker serve has no option --pubic (nearest: --pub"),
        (["check", "--jsno=1"], "broker check has no option --jsno (nearest: --json)"),
        (["check", "a", "b", "c"], "broker check takes no more words; there are 2 too many"),
    ],
)
def test_a_slip_is_told_with_the_nearest_right_word(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    """Verbs and options; what may be a secret is not said again."""
    with pytest.raises(SystemExit):
        main(words)
    said = capsys.readouterr().err
    assert told in said
    assert "127.0.0.1:1" not in said


def test_nothing_at_all_shows_everything_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever just types `broker` sees every verb."""
    with pytest.raises(SystemExit) as caught:
        main([])
    assert 2 == caught.value.code
    assert all(summary in capsys.readouterr().err for summary in [VERBS["serve"]])


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """From its one place."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert f"broker {__version__}\n" == capsys.readouterr().out


def test_the_words_of_the_process_are_the_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m broker` is the command."""
    monkeypatch.setattr(sys, "argv", ["broker", "--version"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("broker", run_name="__main__")
    assert 0 == caught.value.code
    assert __version__ in capsys.readouterr().out


def test_a_verb_gives_the_exit_code(verb: Callable[[Callable[[], int]], None]) -> None:
    """Whatever it is."""
    verb(lambda: 7)
    assert 7 == main(["check"])


def test_a_refusal_is_told_under_the_name_of_the_verb(
    verb: Callable[[Callable[[], int]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a traceback."""

    def refuse() -> int:
        raise Refused("no such thing")

    verb(refuse)
    assert 2 == main(["check"])
    assert "broker check: no such thing\n" == capsys.readouterr().err


def test_an_interrupt_ends_quietly(
    verb: Callable[[Callable[[], int]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the code that shells expect."""

    def interrupt() -> int:
        raise KeyboardInterrupt

    verb(interrupt)
    assert 130 == main(["check"])
    assert "" == capsys.readouterr().err


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    """As `broker check | head -1` does."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "broker", "check"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert (1, b"") == (done.returncode, done.stderr)


def test_help_imports_little() -> None:
    """Nothing of what the verbs need, so that it comes at once."""
    heavy = "{'jwt', 'yaml', 'aiohttp', 'redis', 'cryptography', 'asyncio'}"
    script = (
        "import sys\nfrom broker.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n"
        f"    sys.exit(str({heavy} & set(sys.modules) or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=30, check=False
    )
    assert b"" == done.stderr.strip()


@pytest.mark.parametrize("verb", ["check", "token", "explain"])
def test_a_verb_is_the_module_of_its_name(verb: str) -> None:
    """What the help names can be run."""
    assert verb in VERBS
    assert callable(import_module(f"broker.cli.{verb}").add)
