"""`broker explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any
import io
import json
import re

import pytest

from broker.cli.main import main
from tests.support.tokens import SECRET, hmac_key, jwks, rsa_key

RULES = """\
channels:
  - name: news
    subscribe: public
  - name: chat.{app_id}.{user_id}
    subscribe:
      - {app_id: "{app_id}", role: operator}
      - {app_id: "{app_id}", sub: "{user_id}"}
    publish:
      - {sub: "{user_id}"}
"""
TOKEN = hmac_key().mint(3600, sub="7", app_id=100, channels=["chat.200.*"], jti="the-id")


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work beside rules, with a secret in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BROKER_JWT_SECRET", SECRET)
    Path("channels.yaml").write_text(RULES)


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    """Run the verb; return its exit code and what it told."""
    code = main(["explain", *words])
    return code, capsys.readouterr().out.splitlines()


def explain_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run the verb with `--json`; return what it told of one channel."""
    main(["explain", "--json", *words])
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    (channel,) = told["channels"]
    return {"token": told["token"], **channel}


def test_the_rule_that_allows_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With its file, line and column."""
    code, told = explain(capsys, "--token", TOKEN, "--channel", "chat.100.7")
    assert 0 == code
    assert re.fullmatch(r"token of 7, tenant main, expires in \d+ s", told[0])
    assert [
        "chat.100.7: subscribe allowed, a rule allows it",
        "  channels.yaml:4:11: pattern chat.{app_id}.{user_id} app_id=100 user_id=7",
        "  channels.yaml:7:9: rule that allows it",
    ] == told[1:]


def test_a_token_without_an_end_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    """It also has no subject."""
    code, told = explain(capsys, "--token", hmac_key().mint(None), "--channel", "news")
    assert (0, "token of nobody, tenant main, never expires") == (code, told[0])


def test_the_grant_that_allows_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """As the token has it."""
    code, told = explain(capsys, "--token", TOKEN, "--channel", "chat.200.8")
    assert 0 == code
    assert [
        "chat.200.8: subscribe allowed, a grant of the token allows it",
        "  channels.yaml:4:11: pattern chat.{app_id}.{user_id} app_id=200 user_id=8",
        "  grant of the token: chat.200.*",
    ] == told[1:]


def test_every_rule_that_refuses_says_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    """Which claim, what it must be, and whether the token has it at all."""
    code, told = explain(capsys, "--token", TOKEN, "--channel", "chat.100.8")
    assert 1 == code
    assert [
        "chat.100.8: subscribe denied, no rule and no grant of the token allows it",
        "  channels.yaml:4:11: pattern chat.{app_id}.{user_id} app_id=100 user_id=8",
        '  channels.yaml:6:9: rule needs role="operator", the token has none',
        '  channels.yaml:7:9: rule needs sub="8", the token has another value',
    ] == told[1:]


def test_publishing_is_explained_by_its_own_rules(capsys: pytest.CaptureFixture[str]) -> None:
    """Not by those for reading."""
    words = ["--token", TOKEN, "--action", "publish", "--channel", "chat.100.7"]
    code, told = explain(capsys, *words)
    assert (0, "  channels.yaml:9:9: rule that allows it") == (code, told[-1])
    code, told = explain(capsys, *words[:-1], "chat.200.8")
    assert (1, 2) == (code, sum("chat" in line for line in told))


def test_one_denial_among_several_decides_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """So that a script can ask for all at once."""
    words = ["--token", TOKEN, "--channel", "chat.100.7", "--channel", "chat.100.8"]
    assert 1 == explain(capsys, *words)[0]


def test_an_unknown_channel_has_a_nearest_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    """Or none."""
    code, told = explain(capsys, "--token", TOKEN, "--channel", "caht.100.7")
    assert 1 == code
    assert [
        "caht.100.7: subscribe denied, no pattern matches the channel",
        "  the nearest pattern is chat.{app_id}.{user_id}",
    ] == told[1:]
    assert 2 == len(explain(capsys, "--token", TOKEN, "--channel", "zzzzzzzz")[1])


def test_without_a_token_only_public_channels_are_allowed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And it says that there is none."""
    assert (
        0,
        [
            "no token",
            "news: subscribe allowed, the channel is public",
            "  channels.yaml:2:11: pattern news",
        ],
    ) == explain(capsys, "--channel", "news")
    code, told = explain(capsys, "--channel", "chat.100.7")
    assert (1, "chat.100.7: subscribe denied, the channel needs a token") == (code, told[1])


def test_the_token_may_come_from_the_environment_or_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the list of processes does not show it; the option wins."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"  {TOKEN}\n"))
    assert 0 == explain(capsys, "--token", "-", "--channel", "chat.100.7")[0]
    monkeypatch.setenv("BROKER_TOKEN", TOKEN)
    assert 0 == explain(capsys, "--channel", "chat.100.7")[0]
    assert 3 == explain(capsys, "--token", "x", "--channel", "chat.100.7")[0]


def test_json_says_the_same_when_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    told = explain_json(capsys, "--token", TOKEN, "--channel", "chat.100.7")
    assert told["token"].pop("expires_at")
    assert {
        "token": {"sub": "7", "tenant": "main", "jti": "the-id"},
        "channel": "chat.100.7",
        "action": "subscribe",
        "allowed": True,
        "reason": "a rule allows it",
        "rule": "chat.{app_id}.{user_id}",
        "place": {"file": "channels.yaml", "line": 7, "column": 9},
        "pattern": "chat.{app_id}.{user_id}",
        "variables": {"app_id": "100", "user_id": "7"},
        "unmet": [],
        "nearest": None,
    } == told


def test_json_says_the_same_when_denied(capsys: pytest.CaptureFixture[str]) -> None:
    """With what each rule lacks, or the nearest pattern."""
    told = explain_json(capsys, "--token", TOKEN, "--channel", "chat.100.8")
    assert [
        {
            "place": "channels.yaml:6:9",
            "claim": "role",
            "wanted": "operator",
            "token_has": "none",
        },
        {
            "place": "channels.yaml:7:9",
            "claim": "sub",
            "wanted": "8",
            "token_has": "another value",
        },
    ] == told["unmet"]
    told = explain_json(capsys, "--channel", "caht.1.2")
    assert (None, None, None, {}, "chat.{app_id}.{user_id}") == tuple(
        told[name] for name in ("token", "rule", "pattern", "variables", "nearest")
    )


BAD = {
    "nonsense": ("x", "is no JWT"),
    "expired": (hmac_key().mint(-1), "has expired"),
    "other secret": (hmac_key("x" * 32).mint(), "no key of the broker goes with the token"),
    "other key": (rsa_key("r").mint(), "no key of the broker goes with the token"),
}


@pytest.mark.parametrize(("token", "fault"), BAD.values(), ids=BAD.keys())
def test_a_bad_token_ends_with_3(
    capsys: pytest.CaptureFixture[str], token: str, fault: str
) -> None:
    """And says why, without the token."""
    assert 3 == main(["explain", "--token", token, "--channel", "news"])
    told = capsys.readouterr()
    assert fault in told.err
    assert "" == told.out
    assert 3 == main(["explain", "--json", "--token", token, "--channel", "news"])
    assert 401 == json.loads(capsys.readouterr().out)["error"]["status"]


def test_wrong_usage_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A channel that cannot be, rules that cannot be used."""
    assert 2 == main(["explain", "--channel", "a*"])
    assert "asterisk" in capsys.readouterr().err
    Path("channels.yaml").write_text("channels: []")
    assert 2 == main(["explain", "--channel", "news"])
    assert "channels.yaml:1:11: channels is empty" in capsys.readouterr().err


def test_without_the_broker_s_secret_nothing_is_made_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new secret would only call every token bad."""
    monkeypatch.delenv("BROKER_JWT_SECRET")
    assert 2 == main(["explain", "--token", TOKEN, "--channel", "news"])
    assert "data holds no secret" in capsys.readouterr().err
    assert not Path("data").exists()
    assert 0 == main(["token", "--sub", "7"])
    monkeypatch.setenv("BROKER_TOKEN", capsys.readouterr().out.strip())
    assert 0 == main(["explain", "--channel", "news"])


def test_keys_that_cannot_be_used_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the broker would at its start."""
    monkeypatch.setenv("BROKER_JWT_KEYS", "absent.pem")
    assert 2 == main(["explain", "--token", TOKEN, "--channel", "news"])
    assert "absent.pem: No such file or directory" in capsys.readouterr().err


def test_published_keys_are_fetched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a token needs them."""

    async def fetch(url: str) -> bytes:
        assert "https://id.example/jwks" == url
        return jwks([rsa_key("r")]).encode()

    monkeypatch.setattr("broker.auth.sources.fetch_url", fetch)
    monkeypatch.setenv("BROKER_JWT_KEYS", "https://id.example/jwks")
    token = rsa_key("r").mint(sub="8", app_id=100)
    assert 0 == explain(capsys, "--token", token, "--channel", "chat.100.8")[0]
