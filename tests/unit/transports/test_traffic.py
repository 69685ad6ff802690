"""Traffic counts every connection once, whatever it carries and whoever holds it."""

from __future__ import annotations

from asyncio import BaseTransport

from hypothesis import given
from hypothesis import strategies as st

from broker.metrics import Counters
from broker.transports.traffic import LOST, Addresses, Carried, Traffic

OWNERS = ("192.0.2.1", "192.0.2.2", "")


class Named(BaseTransport):
    """A transport of somebody."""

    def __init__(self, owner: str) -> None:
        super().__init__()
        self.owner = owner


def owner(transport: BaseTransport) -> str:
    """Return whose a transport is."""
    assert isinstance(transport, Named)
    return transport.owner


@given(st.lists(st.tuples(st.sampled_from(OWNERS), st.integers(0, 3), st.booleans()), max_size=30))
def test_handing_over_changes_what_is_carried_and_not_how_many(
    steps: list[tuple[str, int, bool]],
) -> None:
    """Connections come, are handed on and go; each owner has as many as are open."""
    addresses = Addresses(owner)
    carried = Carried.of(Counters(2), addresses)
    held: dict[Named, Traffic] = {}
    for who, kind, goes in steps:
        known = [transport for transport in held if transport.owner == who]
        if known and goes:
            held.pop(known[0]).leave(known[0])
        elif known:
            held[known[0]].leave(known[0])
            held[known[0]] = carried[kind]
            held[known[0]].enter(known[0])
        new = Named(who)
        held[new] = carried.http
        carried.http.enter(new)
        assert len(held) == sum(carried.open().values())
        for each in OWNERS[:2]:
            mine = sum(transport.owner == each for transport in held)
            assert mine == addresses.count(Named(each))
        assert 0 == addresses.count(Named(""))
    for transport, traffic in held.items():
        traffic.leave(transport)
    assert dict.fromkeys(Carried._fields, 0) == carried.open()
    assert not addresses._counts
    assert not addresses._owners


def test_codes_of_clients_are_counted_together() -> None:
    """Known codes stand by themselves; a client cannot make up series."""
    closes = Counters(2)
    traffic = Traffic("websocket", closes)
    for code in (1000, LOST, 3401, *range(4000, 4100)):
        traffic.closed(code)
    counts = {row.labels[1]: row.values[0] for row in closes.rows()}
    assert {"1000": 1, "1006": 1, "3401": 1, "other": 100} == counts
