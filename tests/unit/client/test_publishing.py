"""How batches are cut, and answers read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from hypothesis import given
from hypothesis import strategies as st
import orjson
import pytest

from broker.client.errors import Unreadable
from broker.client.options import ClientOptions
from broker.client.publishing import Item, chunks, read_stamps
from broker.core.cursor import Cursor
from broker.core.message import Stamp

SMALL = ClientOptions(chunk_messages=5, chunk_bytes=300)


async def cut(items: list[Item], options: ClientOptions = SMALL) -> list[bytes]:
    """Return the bodies of a batch."""
    return [body async for body in chunks(items, options)]


@given(
    st.lists(
        st.builds(
            Item,
            st.one_of(st.sampled_from(["a", "b"]), st.lists(st.sampled_from("cdefg"), min_size=1)),
            st.text(max_size=100),
            st.sampled_from(["", "event-1"]),
            st.sampled_from(["", "created"]),
        )
    )
)
async def test_a_batch_is_cut_without_loss(items: list[Item]) -> None:
    """Every item is in one body, in order, and no body is over a limit but for a single item."""
    bodies = await cut(items)
    lines = [body.splitlines() for body in bodies]
    assert [item.line() for item in items] == [line for body in lines for line in body]
    for body, its_lines in zip(bodies, lines, strict=True):
        copies = sum(len(orjson.loads(line).get("channels", "1")) for line in its_lines)
        assert len(its_lines) == 1 or (len(body) <= 300 and copies <= 5)


async def test_p6_the_same_batch_is_cut_at_the_same_places() -> None:
    """Sent again, it has the same bodies, so that the same keys store it once."""
    items = [Item("a", "x" * size) for size in range(0, 250, 7)]

    async def later() -> AsyncIterator[Item]:
        for item in items:
            yield item

    assert await cut(items) == [body async for body in chunks(later(), SMALL)]


async def test_a_batch_is_read_as_it_is_sent() -> None:
    """An endless batch is taken up to the end of a chunk, not whole."""
    taken = 0

    def endless() -> Iterator[tuple[str, int]]:
        nonlocal taken
        while True:
            taken += 1
            yield "a", taken

    bodies = chunks(endless(), SMALL)
    await anext(bodies)
    assert 6 == taken


def test_a_line_says_only_what_was_given() -> None:
    """One channel or several, and the event where there is one."""
    assert b'{"channel":"a","message":null}' == Item("a", None).line()
    assert {"channels": ["a", "b"], "message": 1, "event_id": "e", "event_type": "t"} == (
        orjson.loads(Item(("a", "b"), 1, "e", "t").line())
    )


def test_stamps_are_read() -> None:
    """Channel, id and cursor of every copy."""
    row = {"channel": "a", "id": 7, "tag": "21", "time": "Sat, 14 Nov 2015 15:51:54 GMT"}
    body = orjson.dumps({"messages": [row]})
    assert (Stamp("a", 7, Cursor(1_447_516_314, 21)),) == read_stamps(body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"messages":[{}]}', b'{"messages":[1]}', b'{"messages":1}']
)
def test_another_answer_is_refused(body: bytes) -> None:
    """What is no answer to a publish is not taken for one."""
    with pytest.raises(Unreadable):
        read_stamps(body)
