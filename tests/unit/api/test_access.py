"""Who may use the internal listener (P9)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import pytest

from broker.api.access import Exposed, Guard, check_exposure
from broker.auth.api_keys import ApiKeys
from broker.core.errors import BadHeader, BrokerError, Forbidden, OriginForbidden, Unauthorized
from broker.settings.values import ApiKey, ListenAddress, Secret

LOCAL = ListenAddress("127.0.0.1", 8081)
NO_KEYS = ApiKeys(())
KEYS = ApiKeys([ApiKey("any", Secret("key-of-any")), ApiKey("one", Secret("key-of-one"), "one")])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8081", "127.0.0.1", "127.1.2.3:1", "localhost:8081", "LocalHost", "[::1]:8081", ""],
)
def test_this_machine_may_be_called_by_its_names(host: str) -> None:
    """Loopback addresses and localhost are this machine, on any port."""
    Guard(NO_KEYS, LOCAL).check_site({"Host": host})


@pytest.mark.parametrize(
    "host", ["evil.example:8081", "127.0.0.1.evil.example", "localhost.evil.example", "[::2]", "["]
)
def test_another_name_for_this_machine_is_refused(host: str) -> None:
    """A name that somebody made lead here (DNS rebinding) opens nothing."""
    with pytest.raises(OriginForbidden) as caught:
        Guard(NO_KEYS, LOCAL).check_site({"Host": host})
    assert "Host" == caught.value.field


def test_the_listen_address_and_further_names_are_expected() -> None:
    """The name that the listener was given is its own, and so are those it is told."""
    guard = Guard(NO_KEYS, ListenAddress("broker.internal", 8081), ["Other.internal"])
    guard.check_site({"Host": "broker.internal:8081"})
    guard.check_site({"Host": "other.internal"})


def test_with_keys_the_host_is_free() -> None:
    """Who has a key is no page of a browser, whatever name it calls the listener by."""
    Guard(KEYS, LOCAL).check_site({"Host": "broker.svc.cluster.local:8081"})


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://127.0.0.1:8081.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("keys", [NO_KEYS, KEYS])
def test_pages_of_other_sites_are_refused(headers: dict[str, str], keys: ApiKeys) -> None:
    """No page of another site can have a browser publish, with keys or without."""
    with pytest.raises(OriginForbidden):
        Guard(keys, LOCAL).check_site({"Host": "127.0.0.1:8081", **headers})


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:8081"},
        {"Origin": "http://127.0.0.1:8081", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_own_pages_are_let_in(headers: dict[str, str]) -> None:
    """A page of this very listener, or a person at the address bar, is let in."""
    Guard(NO_KEYS, LOCAL).check_site({"Host": "127.0.0.1:8081", **headers})


def test_a_unix_socket_has_no_sites() -> None:
    """No browser reaches a unix socket, so nothing is asked there."""
    guard = Guard(NO_KEYS, ListenAddress(path=Path("broker.sock")))
    guard.check_site({"Host": "anything", "Origin": "http://evil.example"})


@pytest.mark.parametrize(
    ("headers", "tenant"),
    [
        ({}, "main"),
        ({"X-Tenant": "other"}, "other"),
        ({"Authorization": "Bearer what-is-not-asked-for"}, "main"),
    ],
)
def test_without_keys_a_request_names_its_tenant(headers: dict[str, str], tenant: str) -> None:
    """Without keys whoever gets here may name any tenant; the default is main."""
    assert tenant == Guard(NO_KEYS, LOCAL).tenant(headers)


@pytest.mark.parametrize(
    ("headers", "tenant"),
    [
        ({"Authorization": "Bearer key-of-any"}, "main"),
        ({"authorization": "bearer key-of-any", "X-Tenant": "two"}, "two"),
        ({"X-Api-Key": "key-of-any"}, "main"),
        ({"X-Api-Key": "key-of-one"}, "one"),
        ({"X-Api-Key": "key-of-one", "X-Tenant": "one"}, "one"),
    ],
)
def test_a_key_speaks_for_its_tenant_p9(headers: dict[str, str], tenant: str) -> None:
    """A bound key means its own tenant, an unbound one whichever is named."""
    lower = {name.title(): value for name, value in headers.items()}
    assert tenant == Guard(KEYS, LOCAL).tenant(lower)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic key-of-any"},
        {"X-Api-Key": ""},
        {"X-Api-Key": "key-of-an"},
        {"X-Api-Key": "\udcff"},
        {"X-Tenant": "one"},
    ],
)
def test_without_a_known_key_nobody_is_let_in_p9(headers: dict[str, str]) -> None:
    """Where there are keys, a missing or wrong one is refused, and never repeated."""
    with pytest.raises(Unauthorized) as caught:
        Guard(KEYS, LOCAL).tenant(headers)
    assert "key-of" not in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_a_bound_key_speaks_for_no_other_tenant_p9() -> None:
    """A key of one tenant that names another is refused."""
    with pytest.raises(Forbidden) as caught:
        Guard(KEYS, LOCAL).tenant({"X-Api-Key": "key-of-one", "X-Tenant": "two"})
    assert "X-Tenant" == caught.value.field


@pytest.mark.parametrize("name", ["", "a b", "a/b", "{a}", "a" * 65, ".a", "é"])
def test_what_cannot_be_a_tenant_is_refused(name: str) -> None:
    """A name that could not stand in a key of the store is refused."""
    with pytest.raises(BadHeader):
        Guard(NO_KEYS, LOCAL).tenant({"X-Tenant": name})


NAMES = ["Host", "Origin", "Sec-Fetch-Site", "Authorization", "X-Api-Key", "X-Tenant"]


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, st.text())))
def test_any_headers_let_in_or_refuse(headers: dict[str, str]) -> None:
    """Whatever the headers hold, the request is let in or refused by an error of ours."""
    for guard in (Guard(NO_KEYS, LOCAL), Guard(KEYS, LOCAL)):
        with suppress(BrokerError):
            guard.check_site(headers)
        with suppress(BrokerError):
            guard.tenant(headers)


@pytest.mark.parametrize("address", ["0.0.0.0:8081", "[::]:8081", "10.0.0.1:8081", "broker:8081"])
def test_other_machines_need_keys_p9(address: str) -> None:
    """The listener is not opened to other machines without keys."""
    with pytest.raises(Exposed, match="BROKER_API_KEYS"):
        check_exposure(ListenAddress.parse(address), NO_KEYS)
    check_exposure(ListenAddress.parse(address), KEYS)


@pytest.mark.parametrize("address", ["127.0.0.1:8081", "[::1]:8081", "localhost:1", "unix:a.sock"])
def test_this_machine_needs_no_keys(address: str) -> None:
    """What only this machine reaches may go without keys."""
    check_exposure(ListenAddress.parse(address), NO_KEYS)
