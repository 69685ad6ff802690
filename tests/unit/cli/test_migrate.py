"""`broker migrate`."""

from __future__ import annotations

from pathlib import Path
import json

import pytest

from broker.catalog import Catalog
from broker.cli.main import main

GOOD = "location ~ /s/(.*) { push_stream_subscriber; push_stream_channels_path $1; }"
LOSING = "push_stream_shared_memory_size 1m; " + GOOD


@pytest.fixture
def nginx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a configuration in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "nginx.conf"
    path.write_text(GOOD)
    return path


def test_files_are_written(nginx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules that the broker takes, settings, and a line for each directive; exit code 0."""
    assert 0 == main(["migrate", "nginx.conf"])
    told = capsys.readouterr().out
    assert "nginx.conf:1:22: push_stream_subscriber: same: the mount /s, mode stream\n" in told
    assert "1 mounts; of 2 directives: 2 same, 0 changed, 0 nginx, 0 none" in told
    assert Catalog.load(nginx.parent / "channels.yaml").mounts
    assert (nginx.parent / "broker.env").is_file()
    assert 'location ^~ "/s/" {' in (nginx.parent / "broker-locations.conf").read_text()


def test_what_has_no_counterpart_shows_in_the_exit_code(nginx: Path) -> None:
    """Files are written all the same."""
    nginx.write_text(LOSING)
    assert 1 == main(["migrate", "nginx.conf", "--out", "new"])
    assert (nginx.parent / "new" / "channels.yaml").is_file()


def test_nothing_is_overwritten_unasked(nginx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in the way is named, and stays as it is until `--force`."""
    rules = nginx.parent / "channels.yaml"
    rules.write_text("mine")
    assert 2 == main(["migrate", "nginx.conf"])
    assert "channels.yaml exists; --force overwrites" in capsys.readouterr().err
    assert "mine" == rules.read_text()
    assert 0 == main(["migrate", "--force", "nginx.conf"])
    assert "mine" != rules.read_text()


def test_where_there_is_nothing_to_carry_over_nothing_is_written(
    nginx: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rules made of nothing would open every channel to everybody."""
    nginx.write_text("location / { root html; }")
    assert 2 == main(["migrate", "nginx.conf"])
    assert "nginx.conf has no location of push-stream or nchan" in capsys.readouterr().err
    assert [nginx] == list(nginx.parent.iterdir())


def test_a_rehearsal_writes_nothing(nginx: Path) -> None:
    """Only what would become of each line is told."""
    assert 0 == main(["migrate", "--dry-run", "nginx.conf"])
    assert [nginx] == list(nginx.parent.iterdir())


def test_one_json_object(nginx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With every finding, its place, and what was written."""
    nginx.write_text(LOSING)
    assert 1 == main(["migrate", "--json", "nginx.conf"])
    told = json.loads(capsys.readouterr().out)
    assert {"same": 2, "changed": 0, "nginx": 0, "none": 1} == told["fates"]
    assert {
        "file": "nginx.conf",
        "line": 1,
        "column": 1,
        "directive": "push_stream_shared_memory_size 1m",
        "fate": "none",
        "became": "",
    } == {name: told["findings"][0][name] for name in told["findings"][0] if name != "why"}
    assert ["channels.yaml", "broker.env", "broker-locations.conf"] == told["written"]
    assert [{"path": "/s", "mode": "stream", "place": "nginx.conf:1:36"}] == told["mounts"]


@pytest.mark.parametrize("text", ["location {", "}", 'a "b'])
def test_what_is_no_configuration(
    nginx: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """The place and the fault are told; nothing is written; exit code 3."""
    nginx.write_text(text)
    assert 3 == main(["migrate", "nginx.conf"])
    assert capsys.readouterr().err.startswith("nginx.conf:1:")
    assert 3 == main(["migrate", "--json", "nginx.conf"])
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert ("nginx.conf", 1) == (problem["file"], problem["line"])
    assert [nginx] == list(nginx.parent.iterdir())


def test_a_directory_that_cannot_be_written_to(
    nginx: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file where the directory should be is told as a refusal."""
    assert 2 == main(["migrate", "nginx.conf", "--out", "nginx.conf/x"])
    assert "cannot be written" in capsys.readouterr().err
