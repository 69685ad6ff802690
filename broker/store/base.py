"""
The store contract: where rings live, and what every store promises.

A store holds, per tenant, one clock and any number of channels, each with a ring. Its promises,
which `tests/conformance/test_store*.py` check on every implementation:

1. **One order.** Every message of a tenant gets a cursor greater than all cursors ever given out
   for that tenant, whatever the clock does: `time` is the greatest of the store's clock, the last
   time and the `floor` of the call; `tag` counts from 1 in every new second, save the first of
   a new or flushed tenant, where it begins after whatever an earlier life gave out (P1, P5).
2. **All or nothing.** The messages of one `Publication` are stored together or not at all, in one
   step with their announcement. The publications of one call do not depend on each other (P6).
3. **Contiguous.** The ids of a channel count from 1 without a hole; every message names its
   predecessor's cursor as `prev`. Where the predecessor is not known, because the store was
   flushed or the channel long forgotten, `prev` is the cursor before which nothing is known.
4. **Bounded.** A ring keeps at most its retention's messages, none older than its age. What was
   evicted shows as `History.gap`, exactly (P3).
5. **Ordered announcements.** A listener gets every announcement of the channels it listens to, in
   stamping order within a tenant; `ticked` says that everything up to a cursor was handed over.
   Should the connection break, or its server be replaced, the listener says which tenants are
   `interrupted`, then listens again to everything of theirs and says that they are `resumed`; what
   was announced in between is not repeated: the hub reads it.
   A deletion is announced in the same order, in one step with itself; every later read names it.
6. **Bounded waits.** Every call ends within the store's deadline, with its answer or with
   `StoreUnavailable`; after a publish that ended so, the messages may or may not be stored, and
   retrying with the same idempotency key stores them once. A server that is replaced within the
   deadline only delays a call. What its replicas did not have yet is lost with it, unless the store
   waits for them (`StoreOptions.replicas`).
7. **Revocations.** A revocation that was taken is kept until it ends, whatever restarts, at most so
   many per tenant; every listener that watches gets it. Who begins to watch, or was interrupted,
   gets all that hold, then each later one in the order in which the store took them. A store that
   may have lost some shows it by another `life`, and takes them back by `restore`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

from broker.core.cursor import Cursor
from broker.core.errors import BrokerError
from broker.core.message import Draft, Message, Stamp
from broker.core.revocations import Revocation
from broker.core.ring import History, Retention


class Publication(NamedTuple):
    """
    Messages that are stored together or not at all.

    Attributes:
        drafts: The messages, in the order in which they are stamped.
        retentions: Retention of each draft's channel, as many as drafts.
        idempotency_key: The publisher's key, or empty. The same key with the same fingerprint
            gives the first answer again; with another one it is refused.
        fingerprint: Digest of the request that the key stands for.
        if_match: Tag or cursor that the channel's last message must have, or empty.
            Only with a single draft.
    """

    drafts: Sequence[Draft]
    retentions: Sequence[Retention]
    idempotency_key: str = ""
    fingerprint: str = ""
    if_match: str = ""


class Stored(NamedTuple):
    """
    A publication that is in the rings.

    Attributes:
        stamps: One per draft, in order.
        repeated: Whether this is the answer to an earlier call with the same idempotency key.
    """

    stamps: Sequence[Stamp]
    repeated: bool = False


Outcome = Stored | BrokerError
"""
What became of a publication: stored, or refused.

Refusals are `PreconditionFailed`, `IdempotencyMismatch`, and `BadBody` for a line feed in a
message, event id or event type.
"""


class Lookup(NamedTuple):
    """
    One channel to read.

    Attributes:
        channel: Name of the channel.
        after: Messages after this cursor are wanted.
    """

    channel: str
    after: Cursor


class ChannelInfo(NamedTuple):
    """
    The state of a channel.

    Attributes:
        channel: Name of the channel.
        last_id: Id of the last message it ever had.
        head: Cursor of that message.
        stored: Messages in the ring.
        first: Cursor of the oldest kept message, or None.
    """

    channel: str
    last_id: int
    head: Cursor
    stored: int
    first: Cursor | None


class Sink(Protocol):
    """Who hears a listener: the hub. Calls are synchronous, in order, on the event loop."""

    def received(self, tenant: str, messages: Sequence[Message]) -> None:
        """Take newly announced messages, in stamping order."""

    def deleted(self, tenant: str, channel: str, cursor: Cursor) -> None:
        """Take note that everything of a channel up to the cursor was deleted."""

    def ticked(self, tenant: str, cursor: Cursor) -> None:
        """Take note that every announcement up to the cursor has been handed over."""

    def interrupted(self, tenants: Collection[str] | None = None) -> None:
        """
        Take note that announcements are missing from now on; some may still come.

        Args:
            tenants: Of whom; None for all. A name that is no tenant's stands for what belongs to
                none of them, as revocations.
        """

    def resumed(self, tenants: Collection[str] | None = None) -> None:
        """
        Take note that everything is listened to again; what lies between must be read.

        Args:
            tenants: Of whom, as before; None for all.
        """


Revoked = Callable[[Sequence[Revocation]], None]
"""Hears revocations, on the event loop; some may be known already, and some may have ended."""


class Listener(ABC):
    """A node's subscription to announcements."""

    @abstractmethod
    async def listen(self, tenant: str, channels: Sequence[str]) -> None:
        """
        Begin to hear channels; return once every later message is sure to be announced.

        Raises:
            StoreUnavailable: the store did not confirm in time; none of the channels is heard.
        """

    @abstractmethod
    def forget(self, tenant: str, channels: Iterable[str]) -> None:
        """Stop hearing channels; announcements under way may still come."""

    @abstractmethod
    async def tick(self, tenant: str, floor: Cursor) -> Cursor:
        """
        Move the tenant's clock to now and have it announced to this listener.

        The new clock is recorded, so that it cannot go back behind a cursor handed out here.

        Returns once `Sink.ticked` was called: everything stored before this call began has then
        been handed over. Calls that wait at the same time share one step of the store.

        Args:
            tenant: Whose clock.
            floor: A cursor known to be in use; now is not before it.

        Returns:
            The cursor of now: every later message gets a greater one.

        Raises:
            StoreUnavailable: no tick came in time.
        """

    @abstractmethod
    async def watch(self, revoked: Revoked) -> None:
        """
        Begin to hear revocations; return once all that hold were handed over. Once, at most.

        After an interruption all that hold are handed over again before the sink hears `resumed`.

        Args:
            revoked: Who hears.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """

    @abstractmethod
    async def close(self) -> None:
        """Stop hearing everything."""


class Store(ABC):
    """Where rings live; see the promises above."""

    @abstractmethod
    async def open(self) -> None:
        """
        Connect and check that the store can be used.

        Raises:
            StoreUnavailable: it cannot be reached, or is of an unsupported version.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release every connection."""

    @abstractmethod
    async def listener(self, sink: Sink) -> Listener:
        """Open the connection that carries announcements to `sink`."""

    @abstractmethod
    async def publish(
        self, tenant: str, publications: Sequence[Publication], floor: Cursor
    ) -> list[Outcome]:
        """
        Stamp, append, trim and announce, in one atomic step.

        Args:
            tenant: Whose channels.
            publications: Each all or nothing, independent of the others.
            floor: A cursor known to be in use; new ones are greater.

        Returns:
            One outcome per publication.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """

    @abstractmethod
    async def read(
        self, tenant: str, lookups: Sequence[Lookup], limit: int, floor: Cursor
    ) -> list[History]:
        """
        Read what is kept of channels after cursors, in one round trip.

        Long answers are cut short: a history that ends before what is kept does comes with
        `complete` false, even without messages. The first one is never without.

        Args:
            tenant: Whose channels.
            lookups: Channels and cursors.
            limit: Messages per channel at most, from 1, the oldest first.
            floor: A cursor known to be in use: a store that lost its clock begins after it.

        Returns:
            One history per lookup, each true at one moment not before the call.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """

    @abstractmethod
    async def channels(self, tenant: str, prefix: str, limit: int) -> list[ChannelInfo]:
        """Return the state of channels whose name starts with `prefix`, by name."""

    @abstractmethod
    async def info(self, tenant: str, channel: str) -> ChannelInfo | None:
        """Return the state of a channel; None when nothing is known of it."""

    @abstractmethod
    async def delete(self, tenant: str, channel: str) -> Cursor | None:
        """
        Drop a channel's ring and announce that, in one step.

        Ids and cursors go on, and a subscriber that missed something is told so.

        Returns:
            The channel's last cursor, up to which everything is gone; None when nothing is known
            of it.

        Raises:
            StoreUnavailable: the store did not answer in time; it may be dropped or not.
        """

    @abstractmethod
    async def revoke(self, revocation: Revocation) -> None:
        """
        Keep a revocation until it ends, and announce it, in one step.

        The same revocation with another end takes the place of the one before.

        Raises:
            TooManyRevocations: of this tenant, as many as are kept hold already.
            StoreUnavailable: the store did not answer in time; it may be kept or not.
        """

    @abstractmethod
    async def restore(self, revocations: Sequence[Revocation]) -> int:
        """
        Keep those of some revocations that the store has lost, and announce them.

        Those that it has stay as they are; those that have ended, and those of a tenant that has
        as many as it may, are left out.

        Returns:
            How many it had lost.

        Raises:
            StoreUnavailable: the store did not answer in time; some may be kept.
        """

    @abstractmethod
    async def life(self) -> str:
        """
        Return what changes whenever the store may have lost revocations.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """
