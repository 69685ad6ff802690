"""Keys of the internal listener."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.auth import ApiKeys, Principal
from broker.settings import ApiKey, Secret

KEYS = ApiKeys(
    [ApiKey("shop", Secret("k-shop")), ApiKey("acme", Secret("k-ac\u00fcme"), "acme-tenant")]
)


def test_a_key_stands_for_its_principal() -> None:
    """With the tenant that it is bound to, if any."""
    assert Principal("shop", "") == KEYS.find("k-shop")
    assert Principal("acme", "acme-tenant") == KEYS.find("k-ac\u00fcme")


@pytest.mark.parametrize("key", ["", "k", "k-shop ", "K-shop", "shop", "k-shopk-shop", "\udc80"])
def test_a_wrong_key_stands_for_nobody_p9(key: str) -> None:
    """However near it is."""
    assert None is KEYS.find(key)


@given(st.text())
def test_arbitrary_text_is_no_key(key: str) -> None:
    """Nothing is raised, lone surrogates included."""
    assert None is KEYS.find(f"{key}!")


def test_no_keys_are_false() -> None:
    """So that the listener can tell that it is open."""
    assert KEYS
    assert not ApiKeys([])
    assert None is ApiKeys([]).find("")


def test_every_key_is_compared_whole_p9(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests, in constant time, and all of them whichever is right."""
    compared: list[tuple[int, int]] = []

    def compare(known: bytes, given: bytes) -> bool:
        compared.append((len(known), len(given)))
        return known == given

    monkeypatch.setattr("broker.auth.api_keys.hmac.compare_digest", compare)
    for key in ("k-shop", "k", "x" * 1000):
        KEYS.find(key)
    assert [(32, 32)] * 6 == compared


def test_a_principal_shows_no_key() -> None:
    """It appears in logs."""
    assert "k-shop" not in repr(KEYS.find("k-shop"))
    assert "k-shop" not in repr(KEYS)
