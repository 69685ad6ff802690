"""Who may use the internal listener: API keys, and no page of a browser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import ip_address

from aiohttp import hdrs

from broker.auth.api_keys import ApiKeys, Principal
from broker.core.channels import shown
from broker.core.errors import BadHeader, Forbidden, OriginForbidden, Unauthorized
from broker.core.tenants import MAIN_TENANT, is_tenant
from broker.settings.values import ListenAddress

TENANT = "X-Tenant"
API_KEY = "X-Api-Key"
FETCH_SITE = "Sec-Fetch-Site"

_OWN_SITE = frozenset({"same-origin", "none"})
_CACHED_HOSTS = 256

NOBODY = Principal("")
"""Who sends a request where there are no keys."""


class Exposed(Exception):
    """The internal listener would be open to other machines, and to everyone on them."""


def check_exposure(address: ListenAddress, keys: ApiKeys) -> None:
    """
    Refuse to open the internal listener to other machines without keys.

    Raises:
        Exposed: Other machines can reach the address, and there are no keys.
    """
    if not address.is_local and not keys:
        raise Exposed(
            f"other machines can reach {address}, and there are no API keys; set BROKER_API_KEYS "
            f"or listen on 127.0.0.1:{address.port}"
        )


class Guard:
    """
    Lets requests in, or says why not.

    Pages of other sites are refused by `Origin` and `Sec-Fetch-Site`. A page that had its own
    name lead to this machine (DNS rebinding) passes for the same site, but names its own host:
    `Host` must be this machine or the listen address. Where there are keys, no page has one, and
    the name under which clients reach the listener is their own affair. Nothing of this concerns a
    unix socket, which no browser reaches.

    Args:
        keys: Keys that open the listener; with none, it is open.
        address: Where it listens.
        hosts: Further names under which it may be called.
    """

    def __init__(self, keys: ApiKeys, address: ListenAddress, hosts: Iterable[str] = ()) -> None:
        self._keys = keys
        self._on_network = address.path is None
        self._hosts = frozenset({"localhost", address.host.lower(), *map(str.lower, hosts)})
        self._expects = lru_cache(_CACHED_HOSTS)(self._is_expected)

    def check_site(self, headers: Mapping[str, str]) -> None:
        """
        Refuse what a page of another site had a browser send.

        Raises:
            OriginForbidden: `Origin` or `Sec-Fetch-Site` names another site, or `Host` none of
                this listener's names.
        """
        if not self._on_network:
            return
        host = headers.get(hdrs.HOST, "")
        origin = headers.get(hdrs.ORIGIN)
        if origin is not None and origin.partition("://")[2] != host:
            raise OriginForbidden("pages of other sites may not call this", field=hdrs.ORIGIN)
        if headers.get(FETCH_SITE, "none") not in _OWN_SITE:
            raise OriginForbidden("pages of other sites may not call this", field=FETCH_SITE)
        if not self._keys and not self._expects(host):
            raise OriginForbidden(
                f"the host {shown(host)} is none of this listener's; call it by its address",
                field=hdrs.HOST,
            )

    def tenant(self, headers: Mapping[str, str]) -> str:
        """Return whose channels a request is about; otherwise as `identify`."""
        return self.identify(headers).tenant

    def identify(self, headers: Mapping[str, str]) -> Principal:
        """
        Return who sends a request, by the name of the key, and whose channels it is about.

        Raises:
            Unauthorized: A key is needed, and there is none or a wrong one.
            Forbidden: The key belongs to another tenant.
            BadHeader: `X-Tenant` cannot be the name of a tenant.
        """
        named = headers.get(TENANT)
        if named is not None and not is_tenant(named):
            raise BadHeader(
                "a tenant is a letter or digit, then up to 63 letters, digits, '.', '-' and '_'",
                field=TENANT,
            )
        name, bound = self._found(headers) if self._keys else NOBODY
        if bound and named is not None and named != bound:
            raise Forbidden(f"this key may speak for the tenant {shown(bound)} alone", field=TENANT)
        return Principal(name, bound or named or MAIN_TENANT)

    def trusts(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a request comes with a key that is known, or none is needed."""
        return not self._keys or self._keys.find(_presented(headers)) is not None

    def _found(self, headers: Mapping[str, str]) -> Principal:
        key = _presented(headers)
        if not key:
            raise Unauthorized(
                "an API key is needed: Authorization: Bearer KEY, or X-Api-Key: KEY",
                field=hdrs.AUTHORIZATION,
            )
        principal = self._keys.find(key)
        if principal is None:
            raise Unauthorized("the API key is not known", field=hdrs.AUTHORIZATION)
        return principal

    def _is_expected(self, host: str) -> bool:
        name = _without_port(host).lower()
        if not host or name in self._hosts:
            return True
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return False


def _presented(headers: Mapping[str, str]) -> str:
    scheme, _, key = headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get(API_KEY, "")


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
