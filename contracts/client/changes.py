"""Streams of the changes feed: each has its own connection, and an exclusive queue or a named one."""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import ValidationError

from ..changes import CHANGE, SessionDeleted, SessionStored
from ..limits import MAX_RECONNECT_DELAY_MS, RECONNECT_DELAY_MS, REMEMBERED_CHANGES
from ..signing import Keyring, change_content
from ..topology import DELETED_KEY, STORED_KEY, Topology
from .address import BrokerAddress
from .connecting import LinkLost
from .errors import Closed, Misconfigured
from .subscription import ChangeDelivery, Subscription

log = logging.getLogger(__name__)

ChangeKind = Literal["session.stored", "session.deleted"]

KINDS: Final[tuple[ChangeKind, ...]] = (STORED_KEY, DELETED_KEY)
RECONNECT_DELAY: Final = RECONNECT_DELAY_MS / 1000
MAX_RECONNECT_DELAY: Final = MAX_RECONNECT_DELAY_MS / 1000


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes committed before this moment may be missing: drop your cache. All later changes will come.

    A gap comes first, and again after each loss of the queue. So a reader that fills a cache starts to fill it here.
    """


StreamItem = SessionStored | SessionDeleted | Gap


class NewestSeen:
    """Knows the newest change of each session, for the sessions that changed last.

    An older change arrives late where two replicas announce changes of one session at the same time, or a replica
    repeats an announcement. Both happen within moments, so a hundred thousand sessions are memory enough.
    """

    def __init__(self, max_sessions: int = REMEMBERED_CHANGES) -> None:
        self._max_sessions = max_sessions
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def advance(self, change: SessionStored | SessionDeleted) -> bool:
        """Return whether a change is newer than all before it of its session, and remember it if so."""
        key = change.data.revision, change.id.int
        if self._seen.get(change.subject, (0, 0)) >= key:
            return False
        self._seen[change.subject] = key
        self._seen.move_to_end(change.subject)
        if len(self._seen) > self._max_sessions:
            self._seen.popitem(last=False)
        return True


class ChangeStreams:
    """The streams of one client, which end with it; with keys they yield only changes that one of the keys signed."""

    def __init__(self, address: BrokerAddress, name: str, topology: Topology, keyring: Keyring) -> None:
        self._address = address
        self._keyring = keyring
        self._name = f"{name} changes"
        self._topology = topology
        self._closed = asyncio.Event()
        self._open: set[Subscription] = set()

    def close(self) -> None:
        """End all streams: their readers get Closed."""
        self._closed.set()
        for subscription in self._open:
            subscription.mark_lost()

    async def stream(
        self, kinds: Collection[ChangeKind], queue: str | None
    ) -> AsyncGenerator[StreamItem, None]:
        """Yield changes, each newer than all before it of its session, across reconnections, until `close`.

        A change is acknowledged when the next one is requested. Raises Closed, and Misconfigured where the first
        attempt finds no exchange or the broker refuses the login.
        """
        newest = NewestSeen()
        first, is_forgotten = True, False
        while True:
            subscription = await self._subscribe(kinds, queue, first)
            first = False
            self._open.add(subscription)
            has_gap = subscription.is_new or is_forgotten
            try:
                if has_gap:
                    yield Gap()
                while not self._closed.is_set() and (delivery := await subscription.next()):
                    change = self._parse(delivery)
                    if change and change.type in kinds and newest.advance(change):
                        yield change
                    await subscription.acknowledge()
            finally:
                self._open.discard(subscription)
                await subscription.close()
            is_forgotten = has_gap and subscription.ended_soon

    def _parse(self, delivery: ChangeDelivery) -> SessionStored | SessionDeleted | None:
        content = change_content(self._topology.changes.name, delivery.routing_key, delivery.body)
        if self._keyring and (fault := self._keyring.find_fault(delivery.signature, content)):
            log.warning("ignored a change that none of our keys has signed: %s", fault)
            return None
        try:
            return CHANGE.validate_json(delivery.body)
        except ValidationError:
            log.warning("ignored a message of the changes feed that has no valid change")
            return None

    async def _subscribe(self, kinds: Collection[ChangeKind], queue: str | None, first: bool) -> Subscription:
        delay = RECONNECT_DELAY
        while not self._closed.is_set():
            try:
                return await Subscription.open(self._address, self._name, self._topology, kinds, queue)
            except (LinkLost, Misconfigured) as error:
                if first and isinstance(error, Misconfigured):
                    raise
                log.warning("changes feed not reachable, trying again: %s", error)
            wait = random.uniform(delay / 2, delay)  # noqa: S311 - jitter, not a secret
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._closed.wait()
            delay = min(delay * 2, MAX_RECONNECT_DELAY)
        raise Closed("the client was closed")
