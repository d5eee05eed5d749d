"""The changes feed as this client follows it: on a connection of its own, from a queue of its own or a named one."""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import ValidationError

from contracts.changes import CHANGE, SessionDeleted, SessionStored
from contracts.client.errors import Closed, Misconfigured
from contracts.client.link import LinkLost
from contracts.client.subscription import Subscription, Told
from contracts.signing import Keyring, change_content
from contracts.topology import DELETED_KEY, STORED_KEY, Topology

log = logging.getLogger(__name__)

Kind = Literal["session.stored", "session.deleted"]

KINDS: Final[tuple[Kind, ...]] = (STORED_KEY, DELETED_KEY)
REMEMBERED: Final = 100_000
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 3.0


@dataclass(frozen=True, slots=True)
class Gap:
    """What was committed before now may not have been told: forget what was kept. All after it will be told.

    It comes first, and again after each loss of a queue. So whoever reads into a cache begins to do so here.
    """


Followed = SessionStored | SessionDeleted | Gap


class Latest:
    """Knows what is newer than all that came before it of its session, for the sessions that changed last.

    An older message comes where two replicas tell of a session at the same time, or one of them again. Both are
    within moments of each other, so of a hundred thousand sessions none that matters is forgotten.
    """

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def take(self, change: SessionStored | SessionDeleted) -> bool:
        """Return whether a change is newer, and remember it if so."""
        key = change.data.revision, change.id.int
        if self._seen.get(change.subject, (0, 0)) >= key:
            return False
        self._seen[change.subject] = key
        self._seen.move_to_end(change.subject)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return True


class Followers:
    """The subscriptions of one client, which end with it; with keys only what one of them has signed is told."""

    def __init__(self, url: str, name: str, topology: Topology, keyring: Keyring) -> None:
        self._url = url
        self._keyring = keyring
        self._name = f"{name} changes"
        self._topology = topology
        self._closed = asyncio.Event()
        self._open: set[Subscription] = set()

    def close(self) -> None:
        """End all: who follows gets Closed."""
        self._closed.set()
        for subscription in self._open:
            subscription.lose()

    async def follow(self, kinds: Collection[Kind], queue: str | None) -> AsyncGenerator[Followed, None]:
        """Yield what comes, newer ones alone; over lost connections too, until the client is closed.

        A change is acknowledged when the next one is asked for. Raises Closed, and Misconfigured where the first
        attempt finds no exchange or the broker does not let us in.
        """
        latest = Latest()
        first = True
        while True:
            subscription = await self._subscribe(kinds, queue, first)
            first = False
            self._open.add(subscription)
            try:
                if subscription.is_new:
                    yield Gap()
                while not self._closed.is_set() and (told := await subscription.next()):
                    change = self._read(told)
                    if change and change.type in kinds and latest.take(change):
                        yield change
                    await subscription.acknowledge()
            finally:
                self._open.discard(subscription)
                await subscription.close()

    def _read(self, told: Told) -> SessionStored | SessionDeleted | None:
        content = change_content(self._topology.changes.name, told.routing_key, told.body)
        if self._keyring and (fault := self._keyring.find_fault(told.signature, content)):
            log.warning("passed over a change that none of our keys has signed: %s", fault)
            return None
        try:
            return CHANGE.validate_json(told.body)
        except ValidationError:
            log.warning("passed over a message that is no change")
            return None

    async def _subscribe(self, kinds: Collection[Kind], queue: str | None, first: bool) -> Subscription:
        longest = FIRST_WAIT
        while not self._closed.is_set():
            try:
                return await Subscription.open(self._url, self._name, self._topology, kinds, queue)
            except (LinkLost, Misconfigured) as error:
                if first and isinstance(error, Misconfigured):
                    raise
                log.warning("changes feed not reachable, trying again: %s", error)
            wait = random.uniform(longest / 2, longest)  # noqa: S311 - jitter, not a secret
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._closed.wait()
            longest = min(longest * 2, LONGEST_WAIT)
        raise Closed("the client was closed")
