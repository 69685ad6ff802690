"""`broker token`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
import json
import time

import jwt
import pytest

from broker.auth.secret import SECRET_FILE
from broker.cli.main import main
from tests.support.tokens import SECRET

Mint = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty directory with a secret in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BROKER_JWT_SECRET", SECRET)


@pytest.fixture
def mint(capsys: pytest.CaptureFixture[str]) -> Mint:
    """Return what makes a token and gives its claims."""

    def run(*words: str) -> dict[str, Any]:
        assert 0 == main(["token", *words])
        told = capsys.readouterr()
        assert "" == told.err
        (token,) = told.out.splitlines()
        options: Any = {"verify_aud": False}
        claims: dict[str, Any] = jwt.decode(token, SECRET, ["HS256"], options)
        return claims

    return run


def test_a_token_stands_alone_on_a_line(mint: Mint) -> None:
    """With its subject, an id of its own, and an hour to live."""
    first, second = mint("--sub", "7"), mint("--sub", "7")
    assert {"sub", "iat", "exp", "jti"} == first.keys()
    assert "7" == first["sub"]
    assert 3600 == first["exp"] - first["iat"]
    assert abs(time.time() - first["iat"]) < 60
    assert first["jti"] != second["jti"]


def test_everything_that_can_be_asked_for(mint: Mint) -> None:
    """Claims of text and of any other kind, a tenant, channels, a lifetime."""
    claims = mint(
        *("--sub", "7", "--tenant", "acme", "--ttl", "7d"),
        *("--claim", "app_id=100", "--claim", "note=a=b", "--claim", "empty="),
        *("--claim", "level:=3", "--claim", "beta:=true", "--claim", 'apps:=["a", 1]'),
        *("--grant", "conversation.100.*", "--grant", "ping"),
    )
    assert 7 * 86_400 == claims.pop("exp") - claims.pop("iat")
    assert claims.pop("jti")
    assert {
        "sub": "7",
        "tenant": "acme",
        "app_id": "100",
        "note": "a=b",
        "empty": "",
        "level": 3,
        "beta": True,
        "apps": ["a", 1],
        "channels": ["conversation.100.*", "ping"],
    } == claims


def test_publishing_is_granted_by_name(mint: Mint) -> None:
    """Apart from reading."""
    claims = mint("--sub", "7", "--grant", "a", "--grant-publish", "b", "--grant-publish", "c.*")
    assert {"subscribe": ["a"], "publish": ["b", "c.*"]} == claims["channels"]


def test_a_token_may_never_expire(mint: Mint) -> None:
    """When it is asked for."""
    assert "exp" not in mint("--sub", "7", "--no-expiry")


def test_a_token_meets_the_broker_s_own_expectations(
    mint: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Audience and issuer are those that the broker checks."""
    monkeypatch.setenv("BROKER_JWT_AUDIENCE", "broker")
    monkeypatch.setenv("BROKER_JWT_ISSUER", "id")
    claims = mint("--sub", "7")
    assert ("broker", "id") == (claims["aud"], claims["iss"])


def test_json_shows_the_claims(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the token."""
    assert 0 == main(["token", "--sub", "7", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["claims"] == jwt.decode(told["token"], SECRET, ["HS256"])


def test_without_a_secret_the_data_directory_has_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Made where there is none, which is told, and the same from then on."""
    monkeypatch.delenv("BROKER_JWT_SECRET")
    made = f"made the secret {Path.cwd() / 'var' / SECRET_FILE}"
    for is_new in (True, False):
        assert 0 == main(["token", "--sub", "7", "--data", "var"])
        secret = (Path("var") / SECRET_FILE).read_text().strip()
        told = capsys.readouterr()
        claims = jwt.decode(told.out.strip(), secret, ["HS256"])
        assert "7" == claims["sub"]
        assert is_new == (made in told.err)


REFUSED = {
    "claim without value": (["--claim", "a"], "takes NAME=VALUE or NAME:=JSON, not a"),
    "claim without name": (["--claim", "=a"], "takes NAME=VALUE"),
    "claim no JSON": (["--claim", "a:=b"], "--claim a:= takes JSON, and b is none"),
    "claim no number": (["--claim", "a:=[NaN]"], "--claim a:= takes JSON, and [NaN] is none"),
    "claim too large": (["--claim", "a:=1e999"], "--claim a:= takes JSON, and 1e999 is none"),
    "expiry as claim": (["--claim", "exp=1"], "--claim cannot set exp"),
    "subject as claim": (["--claim", "sub:=1"], "--claim cannot set sub"),
    "no duration": (["--ttl", "90"], "--ttl 90: a duration is a whole number and a unit"),
    "no time": (["--ttl", "0s"], "--ttl must be longer than nothing"),
    "malformed grant": (["--grant", "a*"], "an asterisk must stand alone"),
    "malformed publish grant": (["--grant-publish", "a..b"], "a segment is empty"),
    "malformed tenant": (["--tenant", "a b"], "claim tenant is no name of a tenant"),
}


@pytest.mark.parametrize(("words", "fault"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_broker_would_refuse_is_not_made(
    capsys: pytest.CaptureFixture[str], words: list[str], fault: str
) -> None:
    """It ends with 2, and says what is right."""
    assert 2 == main(["token", "--sub", "7", *words])
    told = capsys.readouterr()
    assert "" == told.out
    assert fault in told.err


def test_a_short_secret_signs_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The broker would not start with it."""
    monkeypatch.setenv("BROKER_JWT_SECRET", "$hort")
    assert 2 == main(["token", "--sub", "7"])
    told = capsys.readouterr()
    assert "BROKER_JWT_SECRET: 5 bytes; 32 are needed" in told.err
    assert "$hort" not in told.err


def test_a_secret_that_cannot_be_made_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the place and the system's reason."""
    monkeypatch.delenv("BROKER_JWT_SECRET")
    Path("file").write_text("")
    assert 2 == main(["token", "--sub", "7", "--data", "file/data"])
    assert f"file/data/{SECRET_FILE}: Not a directory" in capsys.readouterr().err
    assert 2 == main(["token", "--sub", "7", "--data", "file"])
    assert "file: it is no directory; choose another" in capsys.readouterr().err
