"""Settings are made once, of flags and environment, and everything wrong is named in one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.settings import (
    MEMORY_STORE,
    PACKAGED_CONFIG,
    SETTINGS,
    ListenAddress,
    Secret,
    Settings,
    SettingsError,
)
from broker.settings.storing import STORE_URLS
from broker.store.factory import REDIS_SCHEMES

SECRET = "0123456789abcdef0123456789abcdef"


def faults(
    flags: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
) -> list[str]:
    """Load settings that are wrong, and return the lines that say so."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(flags or {}, environ or {})
    return str(caught.value).splitlines()


def test_nothing_said_gives_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without flags and environment the settings are those of `Settings()`."""
    monkeypatch.chdir(tmp_path)
    assert Settings() == Settings.load({}, {})


def test_every_default_is_read_back_from_its_text() -> None:
    """Each default, told as text, is accepted and makes the same value."""
    told = {
        name: setting.kind.show(setting.default)
        for name, setting in SETTINGS.items()
        if name != "config"
    }
    loaded = Settings.load(told, {})
    assert {name: setting.default for name, setting in SETTINGS.items() if name != "config"} == {
        name: getattr(loaded, name) for name in told
    }


def test_a_flag_wins_over_the_environment() -> None:
    """The command line is nearer than the environment, which is nearer than the default."""
    environ = {"BROKER_MAX_CHANNELS": "7", "BROKER_COHORT_SIZE": "9", "PATH": "/bin"}
    settings = Settings.load({"max_channels": "8"}, environ)
    assert (8, 9, 256) == (settings.max_channels, settings.cohort_size, settings.slice_writes)


def test_settings_cannot_be_changed() -> None:
    """What was read at start stays as it is."""
    with pytest.raises(FrozenInstanceError):
        Settings().max_channels = 1  # type: ignore[misc]


def test_every_fault_is_named_at_once() -> None:
    """One run names each wrong flag and variable, its value, what is allowed and what is near."""
    lines = faults(
        {"max_channels": "0", "log_level": "inof", "max_chanels": "3"},
        {"BROKER_PUBLC": "x", "BROKER_PUBLIC": "8080", "BROKER_DRAIN_S": "x"},
    )
    assert [
        "--max-chanels: there is no such setting (nearest: --max-channels)",
        "BROKER_PUBLC: there is no such setting (nearest: BROKER_PUBLIC)",
        "BROKER_PUBLIC=8080: not HOST:PORT, [IPV6]:PORT or unix:PATH (nearest: 127.0.0.1:8080)",
        "BROKER_DRAIN_S=x: not a number; allowed is 0s to 1h",
        "--log-level=inof: allowed is debug, info, warning, error (nearest: info)",
        "--max-channels=0: less than the least; allowed is 1 to 1000 channels (nearest: 1)",
    ] == lines


def test_a_fault_stays_on_one_line() -> None:
    """A value with control characters or without end cannot disturb the terminal."""
    (line,) = faults({"log_level": "\x1b[2J\n" + "x" * 10_000})
    assert line.isprintable()
    assert len(line) < 400


def test_service_links_of_kubernetes_are_no_settings() -> None:
    """What a cluster puts into the environment beside a service named `broker` is left alone."""
    links = {
        "BROKER_SERVICE_HOST": "10.0.0.7",
        "BROKER_SERVICE_PORT": "8080",
        "BROKER_SERVICE_PORT_PUBLIC": "8080",
        "BROKER_PORT": "tcp://10.0.0.7:8080",
        "BROKER_PORT_8080_TCP_ADDR": "10.0.0.7",
    }
    assert Settings.load({}, links) == Settings.load({}, {})


@pytest.mark.parametrize("address", ["0.0.0.0:8081", "[::]:8081", "broker.example:8081"])
def test_p9_an_open_internal_listener_needs_keys(address: str) -> None:
    """Publishing is never open to other machines without API keys."""
    (line,) = faults({"internal": address})
    assert line.startswith(f"--internal={address}: other machines can reach it")
    assert line.endswith("(nearest: 127.0.0.1:8081)")
    told = {"internal": address, "api_keys": "ops:0123456789abcdef"}
    assert address == str(Settings.load(told, {}).internal)


def test_both_listeners_cannot_share_an_address() -> None:
    """The same address twice is a fault, unless any free port will do."""
    (line,) = faults({"internal": "127.0.0.1:8080"})
    assert "same address" in line
    free = Settings.load({"public": "127.0.0.1:0", "internal": "127.0.0.1:0"}, {})
    assert free.public == free.internal


def test_the_memory_store_has_one_worker() -> None:
    """Several workers cannot share what lives in one of them."""
    assert ["--workers=2: memory: belongs to a single process (nearest: 1)"] == faults(
        {"workers": "2", "store": MEMORY_STORE}
    )


def test_a_cookie_needs_pages_of_ones_own() -> None:
    """A browser sends it with a WebSocket of any page, so any page could read with it (P9)."""
    (line,) = faults({"token_cookie": "rts"})
    assert line.startswith("--token-cookie=rts: ")
    assert "allowed_origins" in line
    flags = {"token_cookie": "rts", "allowed_origins": "https://example.com"}
    assert "rts" == Settings.load(flags, {}).token_cookie


@pytest.mark.parametrize("store", ["", MEMORY_STORE])
def test_replicas_are_those_of_a_store_of_ones_own(store: str) -> None:
    """Nobody waits for replicas that the private store and memory do not have."""
    told = {"store": store, "store_replicas": "1"}
    assert ["--store-replicas=1: only a store of your own has replicas (nearest: 0)"] == faults(
        told
    )
    assert 1 == Settings.load({**told, "store": "redis://127.0.0.1"}, {}).store_replicas


def test_every_url_of_a_store_is_a_setting() -> None:
    """What the store can open may be said, and nothing else."""
    assert set(STORE_URLS) == set(REDIS_SCHEMES)


def test_a_message_fits_a_body() -> None:
    """A message longer than a request may be could never be published."""
    (line,) = faults({"max_message_bytes": "1MiB", "max_body_bytes": "64KiB"})
    assert line.startswith("--max-message-bytes=1MiB")
    assert line.endswith("(nearest: 64KiB)")


def test_a_missing_config_is_a_fault_with_the_nearest_file(tmp_path: Path) -> None:
    """A mistyped path of the rules is named with the file that was probably meant."""
    (tmp_path / "channels.yaml").touch()
    (line,) = faults({"config": f"{tmp_path}/chanels.yaml"})
    assert line.endswith(f"there is no such file (nearest: {tmp_path}/channels.yaml)")


def test_the_rules_of_the_working_directory_come_before_the_packaged_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word, ./channels.yaml is used where it exists."""
    monkeypatch.chdir(tmp_path)
    assert PACKAGED_CONFIG == Settings.load({}, {}).config
    (tmp_path / "channels.yaml").touch()
    assert Path("channels.yaml") == Settings.load({}, {}).config


def test_the_packaged_rules_are_there() -> None:
    """The file that is used elsewhere comes with the package."""
    assert PACKAGED_CONFIG.is_file()


def test_p9_secrets_are_shown_nowhere() -> None:
    """Neither the settings nor a fault show a secret, a key or a store's password."""
    told = {
        "jwt_secret": SECRET,
        "api_keys": f"ops:{SECRET}",
        "store": f"redis://user:{SECRET}@localhost",
    }
    settings = Settings.load(told, {})
    assert Secret(SECRET) == settings.jwt_secret
    assert SECRET not in repr(settings)
    wrong = {"jwt_secret": SECRET[:31], "api_keys": f"{SECRET}:", "store": f"http://:{SECRET}@x"}
    assert not [line for line in faults(wrong) if SECRET[:31] in line]


def test_weak_keys_and_a_fleeting_store_are_worth_a_word() -> None:
    """Short API keys and the memory store are allowed, and named at start."""
    assert [] == Settings.load({"api_keys": f"ops:{SECRET}"}, {}).cautions()
    key, store = Settings.load({"api_keys": "ops:short", "store": MEMORY_STORE}, {}).cautions()
    assert "API key of ops" in key
    assert "end with it" in store


def test_listeners_are_parsed() -> None:
    """A listener is told as host and port or as the path of a socket."""
    settings = Settings.load({"public": "[::1]:80", "internal": "unix:/run/broker.sock"}, {})
    assert ListenAddress("::1", 80) == settings.public
    assert ListenAddress(path=Path("/run/broker.sock")) == settings.internal


def shown_of_open_kinds(shown: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of settings that are not secret."""
    return {name: text for name, text in shown.items() if not SETTINGS[name].kind.secret}


@given(
    st.dictionaries(
        st.sampled_from([*SETTINGS, "nothing"]),
        st.one_of(st.text(), st.from_regex(r"-?\d{1,20}(\.\d+)?[a-zA-Z]{0,3}", fullmatch=True)),
    )
)
def test_whatever_is_told_is_settings_or_faults(told: dict[str, str]) -> None:
    """Arbitrary texts are either values within their limits or named faults, nothing else."""
    try:
        settings = Settings.load(told, {})
    except SettingsError as error:
        refused = error
    else:
        shown = {name: SETTINGS[name].kind.show(getattr(settings, name)) for name in told}
        again = Settings.load({**told, **shown_of_open_kinds(shown)}, {})
        assert settings == again
        return
    assert refused.faults
    assert all(line.isprintable() for line in str(refused).splitlines())
