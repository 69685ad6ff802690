"""`broker check`."""

from __future__ import annotations

from pathlib import Path
import json

import pytest

from broker.cli.main import main
from broker.settings import PACKAGED_CONFIG


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file in the working directory, named as the setting has it."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "channels.yaml"
    path.write_text("channels: [{name: news, subscribe: public, history: {messages: 0}}]")
    return path


WRONG = "channels:\n  - nmae: a\n"


def test_right_rules_are_shown(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a table, with exit code 0."""
    rules.write_text(
        "channels:\n"
        "  - {name: news, subscribe: public, history: {messages: 0}}\n"
        "  - {name: 'a.{x}', subscribe: [{}], publish: [{a: b}, {a: c}], max_message: 100,\n"
        "     slow_reader: conflate}\n"
    )
    assert 0 == main(["check", "channels.yaml"])
    assert (
        "PATTERN  HISTORY    MESSAGE  SLOW READER  READ    PUBLISH\n"
        "news     none       64k      catch_up     public  grants only\n"
        "a.{x}    1000 / 1h  100      conflate     1 rule  2 rules\n"
        "\n"
        "channels.yaml: no mistakes, 2 patterns\n"
    ) == capsys.readouterr().out


def test_mounts_are_shown_where_there_are_own_ones(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with where its channels come from."""
    rules.write_text(
        "channels: [{name: news, subscribe: public, history: {messages: 0}}]\n"
        "mounts:\n"
        "  - {path: /ws, mode: websocket}\n"
        "  - {path: /pub, mode: publisher, argument: id}\n"
        "  - {path: /all, mode: stream, fixed: [news, x]}\n"
    )
    assert 0 == main(["check", "channels.yaml"])
    assert (
        "\n"
        "MOUNT  MODE       CHANNELS\n"
        "/ws    websocket  in the path\n"
        "/pub   publisher  ?id=\n"
        "/all   stream     news x\n"
        "\n"
        "channels.yaml: no mistakes, 1 patterns, 3 mounts\n"
    ) == capsys.readouterr().out.partition("grants only\n")[2]


def test_every_mistake_is_a_line_on_standard_error(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 1, and nothing on standard output."""
    rules.write_text(WRONG)
    assert 1 == main(["check", "channels.yaml"])
    told = capsys.readouterr()
    assert "" == told.out
    lines = told.err.splitlines()
    assert lines[0].startswith('channels.yaml:2:5: unknown key "nmae" in an entry; did you mean')
    assert "channels.yaml:2:5: the entry has no name" == lines[1]
    assert "channels.yaml: 2 mistakes" == lines[-1]


def test_one_mistake_is_singular(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is."""
    rules.write_text("channels: []")
    main(["check", "channels.yaml"])
    assert capsys.readouterr().err.endswith("\nchannels.yaml: 1 mistake\n")


def test_json_says_the_same(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object, mistakes or not."""
    assert 0 == main(["check", "--json", "channels.yaml"])
    right = {"file": "channels.yaml", "problems": [], "left_out": 0, "patterns": ["news"]}
    told = json.loads(capsys.readouterr().out)
    assert {"path": "/sse", "mode": "eventsource"} in told.pop("mounts")
    assert right == told
    rules.write_text("channels: []")
    assert 1 == main(["check", "--json", "channels.yaml"])
    message = "channels is empty; nobody could read anything"
    problem = {"file": "channels.yaml", "line": 1, "column": 11, "message": message}
    wrong = {"file": "channels.yaml", "problems": [problem], "left_out": 0}
    assert wrong == json.loads(capsys.readouterr().out)


def test_without_a_file_the_configured_one_is_checked(
    rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By flag, by environment, in the working directory, else the packaged one."""
    other = tmp_path / "other.yaml"
    other.write_text(WRONG)
    assert 0 == main(["check"])
    assert 1 == main(["check", "--config", "other.yaml"])
    monkeypatch.setenv("BROKER_CONFIG", "other.yaml")
    assert 1 == main(["check"])
    monkeypatch.delenv("BROKER_CONFIG")
    rules.unlink()
    capsys.readouterr()
    assert 0 == main(["check"])
    assert f"{PACKAGED_CONFIG}: no mistakes, 17 patterns" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """Named like one."""
    assert 1 == main(["check", "absent.yaml"])
    assert "absent.yaml:1:1: No such file or directory" in capsys.readouterr().err


def test_wrong_settings_are_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are named."""
    monkeypatch.setenv("BROKER_CONFGI", "x")
    assert 2 == main(["check"])
    assert "broker check: BROKER_CONFGI" in capsys.readouterr().err
