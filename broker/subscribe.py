"""Attaching: from a channel list and a cursor to a feed that is ready to serve it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from broker.attendance import Attendance
from broker.core.cursor import Cursor
from broker.core.encoder import Encoder
from broker.core.grants import Grants
from broker.core.session import Outlet, Session
from broker.events import ChannelEvents
from broker.hub import Hub
from broker.hub.feed import Feed
from broker.hub.sync import Sync
from broker.hub.tenant import Tenant
from broker.waiting_room import WaitingRoom


class Entry(NamedTuple):
    """
    A place in a feed.

    Attributes:
        feed: The feed, synchronised.
        cursor: Where to begin; its feed answers it.
    """

    feed: Feed
    cursor: Cursor


class Subscriber:
    """
    Prepares feeds for those who come, and attaches sessions to them.

    Args:
        hub: Where feeds live.
        sync: Brings channels up to date.
        attendance: Notes every session.
        room: Bounds how many may wait for the store.
        events: Tells of those who come and go; None where nobody wants to know.

    Attributes:
        room: The same.
    """

    def __init__(
        self,
        hub: Hub,
        sync: Sync,
        attendance: Attendance,
        room: WaitingRoom | None = None,
        events: ChannelEvents | None = None,
    ) -> None:
        self.room = room or WaitingRoom()
        self._hub = hub
        self._sync = sync
        self._attendance = attendance
        self._events = events
        self._here: Entry | None = None

    def enter_now(
        self, tenant_name: str, names: tuple[str, ...], cursor: Cursor | None, encoder: Encoder
    ) -> Entry | None:
        """Return what `enter` would, if that needs no store; else None."""
        if cursor is None:
            return None
        tenant = self._hub.tenant(tenant_name)
        feed = self._hub.feed(tenant, names, encoder)
        if cursor > tenant.high_water or feed.held:
            return None
        if cursor < feed.cursor and not self._sync.is_ready(feed.channels, cursor):
            return None
        return Entry(feed, cursor)

    def remain(self, feed: Feed, cursor: Cursor) -> Entry | None:
        """
        Return a place in a feed that somebody with a cursor came from, if nothing was missed.

        Nothing is looked for: the feed knows the last thing that it was handed.

        Args:
            feed: The feed.
            cursor: Where to go on.

        Returns:
            The place, now; None where more than that is needed to know it.
        """
        now = feed.around.high_water()
        if feed.held or feed.is_dropped or not feed.cursor <= cursor <= now:
            return None
        here = self._here
        if here is None or here.feed is not feed or here.cursor is not now:
            here = self._here = Entry(feed, now)  # those who wait together come back together
        return here

    def keep(self, feed: Feed) -> None:
        """Keep a feed for another while, though whoever used it did not stay."""
        self._hub.idle.renew(feed, feed.around.clock())

    async def enter(
        self, tenant_name: str, names: tuple[str, ...], cursor: Cursor | None, encoder: Encoder
    ) -> Entry:
        """
        Return a feed and the cursor to begin at, once the feed answers it.

        A newcomer begins now: it gets nothing that was stored before this call, and everything
        that is stored after it returns. A cursor from the future, which only a clock or a client
        can have made up, is taken for now.

        Args:
            tenant_name: Whose channels.
            names: Channels, every one of them allowed.
            cursor: The client's cursor, or None for a newcomer.
            encoder: The dialect.

        Raises:
            Unavailable: too many wait for the store already.
            StoreUnavailable: the store did not answer in time.
        """
        entry = self.enter_now(tenant_name, names, cursor, encoder)
        if entry is not None:
            return entry
        tenant = self._hub.tenant(tenant_name)
        feed = self._hub.feed(tenant, names, encoder)
        with self.room.place(), self._hub.reserved(feed):
            begin = await self._begin(tenant, cursor)
            await self._sync.ready(tenant, feed.channels, begin)
        return Entry(feed, tenant.high_water if cursor is None else begin)

    async def _begin(self, tenant: Tenant, cursor: Cursor | None) -> Cursor:
        if cursor is not None and cursor <= tenant.high_water:
            return cursor
        now = await self._sync.tick(tenant)
        return now if cursor is None else min(cursor, now)

    async def now(self, tenant_name: str) -> Cursor:
        """
        Return the cursor of now, at which a newcomer begins.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """
        return await self._sync.tick(self._hub.tenant(tenant_name))

    def is_settled(self, tenant_name: str) -> bool:
        """Tell whether everything that publishers of this node were told is stored has arrived."""
        tenant = self._hub.tenant(tenant_name)
        return tenant.written <= tenant.high_water

    async def settle(self, tenant_name: str) -> None:
        """
        Return once `is_settled`: who asks at once then finds what was published before.

        Raises:
            Unavailable: too many wait for the store already.
            StoreUnavailable: the store did not answer in time.
        """
        if not self.is_settled(tenant_name):
            with self.room.place():
                await self.now(tenant_name)

    def attach(
        self,
        entry: Entry,
        outlet: Outlet,
        grants: Grants | None,
        *,
        notices: bool,
        client: str = "",
    ) -> Session:
        """
        Make a session of a connection; what it misses is written from here on.

        Args:
            entry: Its place.
            outlet: The connection.
            grants: What its token allows; None without one.
            notices: Whether it is sent gap notices as frames.
            client: Who is behind a proxy, where that is counted.
        """
        session = Session(outlet, grants, self._attendance.leave)
        session.notices = notices
        outlet.bind(session)
        if not outlet.ending:
            feed = self._usable(entry.feed)
            self._attendance.join(session, client)
            if self._events is not None:
                self._events.subscribed(feed.tenant, feed.names)
                session.farewell = partial(self._left, self._events, feed)
            feed.attach(session, entry.cursor)
        return session

    def show(self, entry: Entry, outlet: Outlet, farewell: Callable[[Session], None]) -> Session:
        """
        Make a session of an operator's connection: it is no subscriber, and nobody is told of it.

        Args:
            entry: Its place.
            outlet: The connection.
            farewell: Called once when it leaves.
        """
        session = Session(outlet, None, farewell, notices=True)
        outlet.bind(session)
        if not outlet.ending:
            self._usable(entry.feed).attach(session, entry.cursor)
        return session

    def _left(self, events: ChannelEvents, feed: Feed, session: Session) -> None:
        self._attendance.leave(session)
        events.unsubscribed(feed.tenant, feed.names)

    def renew(self, session: Session, grants: Grants) -> None:
        """Let a session go on, where it stands, with another token that allows its channels."""
        self._attendance.move(session, grants)

    def _usable(self, feed: Feed) -> Feed:
        """Return the feed, or, having it brought up to date, its successor."""
        if not feed.held and not feed.is_dropped:
            return feed
        tenant = self._hub.tenant(feed.tenant)
        feed = self._hub.feed(tenant, feed.names, feed.encoder)
        self._sync.heal(tenant, feed.channels)
        return feed
