"""Sends dead letters through the normal path again, so that the order law judges them."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Final
from uuid import uuid4

from pamqp.common import FieldTable, FieldValue

from contracts.dead_letters import HISTORY_HEADER
from contracts.session import format_timestamp
from contracts.signing import SIGNATURE_HEADER, Keyring
from contracts.topology import DELETE_KEY, ERASE_KEY, WRITE_KEY
from worker.broker.delivery import Properties
from worker.broker.properties import (
    BROKER_ACTS_ON,
    BROKERS_COUNTS,
    BROKERS_REASONS,
    LARGEST_HEADER,
    copy_properties,
    keep_bytes,
)
from worker.broker.publisher import Publisher
from worker.broker.signatures import content_of
from worker.dead_letters.dead_letter import FAILURE_HEADERS, DeadLetter, Failure
from worker.dead_letters.peek import Page

LONGEST_HISTORY: Final = 20
MOST_AT_ONCE: Final = 64
ROOM: Final = 1024  # for the headers of the next failure
EVENT_KEYS: Final = (WRITE_KEY, DELETE_KEY, ERASE_KEY)
_MOVED: Final = (*BROKER_ACTS_ON, "reply_to")
_DROPPED: Final = (*FAILURE_HEADERS, *BROKERS_REASONS, *BROKERS_COUNTS)


def can_replay(letter: DeadLetter) -> bool:
    """Return whether the letter was an event: nothing else has a normal path to take."""
    return letter.delivery.routing_key in EVENT_KEYS


def replay_properties(letter: DeadLetter) -> Properties:
    """Return the properties to publish a letter's message with again.

    They are the original ones, persistent, with the failure moved to the end of the header `x-history` (the
    latest 20 stay). Kept aside in `x-original-…` headers: `expiration` (the event would vanish), `user_id` (the
    broker would refuse it), `CC` and `BCC`, and `reply_to`: nobody waits any more, and a conflict that nobody is
    told about is dead-lettered again instead of vanishing. Undecodable properties give way to clean ones.
    """
    history: list[FieldValue] = [_entry_of(failure) for failure in (*letter.history, letter.failure)]
    for first in range(max(0, len(history) - LONGEST_HISTORY), len(history) + 1):
        added: FieldTable = {HISTORY_HEADER: history[first:]}
        if letter.properties and (restored := _restore(letter.properties, added)):
            return restored
    return keep_bytes(letter.delivery, {HISTORY_HEADER: history[-LONGEST_HISTORY:]})


def resign(properties: Properties, keyring: Keyring, exchange: str, letter: DeadLetter) -> None:
    """Give a letter's properties the signature of a message of ours, and a message id where it has none."""
    properties.message_id = properties.message_id or uuid4().hex
    delivery = letter.delivery
    content = content_of(exchange, delivery.routing_key, properties, delivery.body)
    properties.headers = {**(properties.headers or {}), SIGNATURE_HEADER: keyring.sign(content)}


class Replayer:
    """Publishes letters' messages and removes a letter once the broker has confirmed its copy.

    A message keeps its own signature; with a `keyring` it is signed anew, as one that this installation believes.
    """

    def __init__(
        self, publisher: Publisher, exchange: str, rate: float | None, keyring: Keyring | None = None
    ) -> None:
        self._publisher = publisher
        self._exchange = exchange
        self._rate = rate
        self._keyring = keyring
        self._next = monotonic()

    async def replay(
        self, page: Page, letters: Sequence[DeadLetter], on_removed: Callable[[Sequence[DeadLetter]], None]
    ) -> None:
        """Return once every letter is confirmed and removed, in order and at the given rate.

        `on_removed` is told of each. Raises BrokerUnavailable: then the letters not confirmed are still in the
        queue. A cancellation is taken after the letters in hand are settled.
        """
        size = MOST_AT_ONCE if self._rate is None else max(1, min(MOST_AT_ONCE, int(self._rate / 10)))
        for at in range(0, len(letters), size):
            chunk = letters[at : at + size]
            await self._wait(len(chunk))
            await _complete(self._replay(page, chunk, on_removed))

    async def _replay(
        self, page: Page, letters: Sequence[DeadLetter], on_removed: Callable[[Sequence[DeadLetter]], None]
    ) -> None:
        results = await asyncio.gather(*map(self._publish, letters), return_exceptions=True)
        confirmed = [letter for letter, failed in zip(letters, results, strict=True) if not failed]
        await page.remove([letter.delivery.tag for letter in confirmed])
        on_removed(confirmed)
        for failed in results:
            if failed:
                raise failed

    async def _publish(self, letter: DeadLetter) -> None:
        delivery = letter.delivery
        properties = replay_properties(letter)
        if self._keyring:
            resign(properties, self._keyring, self._exchange, letter)
        await self._publisher.publish(self._exchange, delivery.routing_key, properties, delivery.body)

    async def _wait(self, count: int) -> None:
        """Sleep until `count` more messages keep to the rate; time lost is not caught up."""
        if self._rate is None:
            return
        await asyncio.sleep(self._next - monotonic())
        self._next = max(self._next, monotonic()) + count / self._rate


def _restore(properties: Properties, added: FieldTable) -> Properties | None:
    return copy_properties(properties, added, dropped=_DROPPED, moved=_MOVED, largest=LARGEST_HEADER - ROOM)


def _entry_of(failure: Failure) -> FieldTable:
    return {
        "code": failure.code,
        "message": failure.message,
        "failed-at": format_timestamp(failure.failed_at) if failure.failed_at else "",
        "queue": failure.queue,
    }


async def _complete(work: Coroutine[None, None, None]) -> None:
    """Finish the work even when cancelled meanwhile, and be cancelled then."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
