"""The roster: the sessions of all nodes, and ending one of them."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from typing import NamedTuple

import orjson

from broker.attendance import Attendance
from broker.census.circle import Circle, Said
from broker.census.counting import feeds_of
from broker.core.channels import shown
from broker.core.encoder import INTERNAL
from broker.core.errors import NotFound, Unavailable
from broker.core.nodes import NodeId
from broker.core.session import Session, State
from broker.hub import Hub
from broker.hub.feed import Feed

WAIT_S = 2.0
"""Seconds that other nodes get to answer; they may look through all their sessions for that."""

SCAN_S = 1.0
"""Seconds for which a node looks through its sessions: time is left for the answer."""

SLICE = 1000
"""Sessions that are looked at in one turn of the loop: about a millisecond."""

ALL_BYTES = 4 * 2**20
"""Sessions of one answer, those of all nodes together, before they are put into one list."""

NODE_BYTES = (16 * 2**10, 256 * 2**10)
"""What one node tells, at least and at most: some tens of sessions, a thousand ordinary ones."""

RETURN_S = 1.0
"""Seconds after which a client whose connection was ended is asked to come back."""

_LIST = "sessions"
_END = "end"

Row = Mapping[str, object]
"""What is told of a session."""


class Wanted(NamedTuple):
    """
    Which sessions are asked for.

    Attributes:
        tenant: Whose.
        channel: A channel that they have; empty for any.
        sub: Their subject; empty for any.
        limit: How many at most.
        most_bytes: How long their list may be.
    """

    tenant: str
    channel: str
    sub: str
    limit: int
    most_bytes: int = NODE_BYTES[1]

    def concerns(self, session: Session, feed: Feed) -> bool:
        """Tell whether a session is asked for."""
        if self.channel and self.channel not in feed.names:
            return False
        return not self.sub or self.sub == _subject(session)


class Listing(NamedTuple):
    """
    Sessions of one node or several.

    Attributes:
        rows: What is told of each.
        complete: Whether these are all that the nodes have which answered.
        silent: Nodes that did not answer in time, now or not long ago; what they have is missing.
    """

    rows: Sequence[Row]
    complete: bool
    silent: tuple[NodeId, ...] = ()


class Roster:
    """
    Lists sessions of every node, and ends one wherever it is.

    Args:
        circle: Asks the other nodes.
        attendance: The sessions of this one.
        hub: What they are attached to.
        clock: Loop time in seconds.
        wait_s: Seconds that other nodes get to answer.
    """

    def __init__(
        self,
        circle: Circle,
        attendance: Attendance,
        hub: Hub,
        clock: Callable[[], float],
        wait_s: float = WAIT_S,
    ) -> None:
        self._circle = circle
        self._attendance = attendance
        self._hub = hub
        self._clock = clock
        self._wait_s = wait_s
        circle.answer(_LIST, self._told)
        circle.answer(_END, self._ended)

    @property
    def who(self) -> NodeId:
        """Which node this is."""
        return self._circle.who

    async def list(self, wanted: Wanted, node: str = "") -> Listing:
        """
        Return sessions, of every node about as many where there are too many, else in no order.

        Args:
            wanted: Which.
            node: Name of the only node that is asked; empty for all.

        Raises:
            NotFound: no node has that name.
            Unavailable: too many questions wait for answers already.
        """
        if node == self.who.node:
            return await self._own(wanted)
        if node and not self._circle.knows(node):
            raise NotFound(f"no node of this store is called {shown(node)}", field="node")
        least, most = NODE_BYTES
        share = ALL_BYTES // (1 + len(self._circle.others))
        wanted = wanted._replace(most_bytes=max(least, min(share, most)))
        own = Listing((), complete=True) if node else await self._own(wanted)
        answers = await self._circle.ask(_LIST, wanted._asdict(), self._wait_s, node)
        listings = [own, *map(_read, answers.told)]
        rows = _mixed(listing.rows for listing in listings)
        complete = all(listing.complete for listing in listings) and len(rows) <= wanted.limit
        return Listing(rows[: wanted.limit], complete, answers.silent)

    async def end(self, tenant: str, name: str) -> None:
        """
        End a session; its client keeps its place, and is asked to come back in a second.

        Args:
            tenant: Whose.
            name: What it is called, as it was listed.

        Raises:
            NotFound: there is none of that name.
            Unavailable: its node did not answer in time.
        """
        node = name.partition(".")[0]
        if node == self.who.node:
            is_ended = await self._end(tenant, name)
        elif self._circle.knows(node):
            is_ended = await self._have_ended(tenant, name, node)
        else:
            raise NotFound(f"there is no session {shown(name)}: its name is that of no node's")
        if not is_ended:
            raise NotFound(f"there is no session {shown(name)}; it may have ended already")

    async def _have_ended(self, tenant: str, name: str, node: str) -> bool:
        about = {"tenant": tenant, "session": name}
        answers = await self._circle.ask(_END, about, self._wait_s, node)
        if not answers.told:
            late = ", ".join(map(str, answers.silent)) or node
            raise Unavailable(
                f"the session {shown(name)} may still be there: its node, {late}, did not answer "
                f"within {self._wait_s:g} s"
            )
        return answers.told[0].get("ended") is True

    # --- this node ---------------------------------------------------------------------------

    async def _told(self, about: Said) -> Said:
        listing = await self._own(_decode_wanted(about))
        return {"sessions": listing.rows, "complete": listing.complete}

    async def _ended(self, about: Said) -> Said:
        match about:
            case {"tenant": str(tenant), "session": str(name)}:
                return {"ended": await self._end(tenant, name)}
        raise ValueError("that names no session")

    async def _own(self, wanted: Wanted) -> Listing:
        rows: list[Row] = []
        room = wanted.most_bytes
        until = self._clock() + SCAN_S
        async for session, feed in _of_tenant(wanted.tenant, self._candidates(wanted)):
            if self._clock() > until:
                return Listing(rows, complete=False)
            if not wanted.concerns(session, feed):
                continue
            row = self._row(session, feed)
            room -= len(orjson.dumps(row))
            if len(rows) >= wanted.limit or room < 0:
                return Listing(rows, complete=False)
            rows.append(row)
        return Listing(rows, complete=True)

    async def _end(self, tenant: str, name: str) -> bool:
        async for session, _ in _of_tenant(tenant, self._attendance):
            if self._name(session) == name:
                session.end(Unavailable("this connection was ended; come back"), RETURN_S)
                return True
        return False

    def _candidates(self, wanted: Wanted) -> Iterable[Session]:
        """Return sessions among which all those are that are asked for, the fewest there are."""
        if wanted.sub:
            return self._attendance.of_subject(wanted.sub)
        if wanted.channel:
            feeds = feeds_of(self._hub, wanted.tenant, wanted.channel)
            return chain.from_iterable(
                list(feed.sessions) for feed in feeds if feed.encoder.transport != INTERNAL
            )
        return self._attendance

    def _row(self, session: Session, feed: Feed) -> Row:
        cursor, head = session.cursor, self._hub.high_water(feed.tenant)
        is_behind = session.state is State.LAGGING
        grants = session.grants
        return {
            "session": self._name(session),
            "node": self.who.node,
            "transport": feed.encoder.transport,
            "channels": feed.names,
            "sub": _subject(session) or None,
            "expires_at": None if grants is None else grants.expires_at,
            "age_s": round(self._clock() - session.begun, 1),
            "cursor": str(cursor),
            "lagging": is_behind,
            "behind_s": max(0, head.time - cursor.time) if is_behind else 0,
        }

    def _name(self, session: Session) -> str:
        """Return what a session is called while it lasts: its node comes first."""
        return f"{self.who.node}.{id(session):x}.{int(session.begun * 1e6):x}"


async def _of_tenant(
    tenant: str, sessions: Iterable[Session]
) -> AsyncIterator[tuple[Session, Feed]]:
    for number, session in enumerate(sessions, 1):
        feed = session.feed  # who has left meanwhile has none
        if isinstance(feed, Feed) and feed.tenant == tenant:
            yield session, feed
        if number % SLICE == 0:
            await sleep(0)


def _subject(session: Session) -> str:
    return "" if session.grants is None else session.grants.subject or ""


def _mixed(lists: Iterable[Sequence[Row]]) -> list[Row]:
    """Return the rows of several lists, the first of each, then the second of each."""
    return [row for row in chain.from_iterable(zip_longest(*lists)) if row is not None]


def _read(told: Said) -> Listing:
    """Return what another node told; nothing, which is not all, where it cannot be understood."""
    match told:
        case {"sessions": list(rows), "complete": bool(complete)}:
            return Listing(rows, complete)
    return Listing((), complete=False)


def _decode_wanted(about: Said) -> Wanted:
    match about:
        case {
            "tenant": str(tenant),
            "channel": str(channel),
            "sub": str(sub),
            "limit": int(limit),
            "most_bytes": int(most_bytes),
        }:
            return Wanted(tenant, channel, sub, limit, most_bytes)
    raise ValueError("that asks for no sessions")
