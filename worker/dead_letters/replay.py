"""Publishes dead letters to the sessions exchange again, where the order law decides on them."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Final
from uuid import uuid4

from pamqp.common import FieldTable, FieldValue

from contracts.dead_letters import HISTORY_HEADER
from contracts.session import format_timestamp
from contracts.signing import Keyring
from contracts.topology import DELETE_KEY, ERASE_KEY, SIGNATURE_HEADER, WRITE_KEY
from worker.broker.delivery import Properties
from worker.broker.properties import (
    BROKER_ACTS_ON,
    BROKERS_COUNTS,
    BROKERS_REASONS,
    MAX_HEADER_BYTES,
    copy_properties,
    keep_bytes,
)
from worker.broker.publisher import Publisher
from worker.broker.signatures import content_of
from worker.dead_letters.dead_letter import FAILURE_HEADERS, DeadLetter, Failure
from worker.dead_letters.peek import Page

MAX_HISTORY: Final = 20
MAX_CHUNK: Final = 64
FAILURE_BYTES: Final = 1024  # kept free for the headers of the next failure
EVENT_KEYS: Final = (WRITE_KEY, DELETE_KEY, ERASE_KEY)
_MOVED: Final = (*BROKER_ACTS_ON, "reply_to")
_DROPPED: Final = (*FAILURE_HEADERS, *BROKERS_REASONS, *BROKERS_COUNTS)


def can_replay(dead_letter: DeadLetter) -> bool:
    """Return whether the dead letter was an event: other messages have no queue to go to."""
    return dead_letter.delivery.routing_key in EVENT_KEYS


def replay_properties(dead_letter: DeadLetter, room: int = MAX_HEADER_BYTES) -> Properties:
    """Return the properties with which a dead letter's message is published again, in `room` bytes.

    They are the original ones, persistent, with the failure moved to the end of the header `x-history` (the
    latest 20 stay). Moved to `x-original-…` headers are `expiration` (the event would vanish), `user_id` (the
    broker would refuse it), `CC`, `BCC` and `reply_to` (no publisher waits any more, and a conflict without
    a reply address is dead-lettered again instead of vanishing). Properties that cannot be decoded are replaced by
    clean ones.
    """
    history: list[FieldValue] = [
        _entry_of(failure) for failure in (*dead_letter.history, dead_letter.failure)
    ]
    for first in range(max(0, len(history) - MAX_HISTORY), len(history) + 1):
        added: FieldTable = {HISTORY_HEADER: history[first:]}
        if dead_letter.properties and (restored := _restore(dead_letter.properties, added, room)):
            return restored
    latest = MAX_HISTORY if room >= MAX_HEADER_BYTES else 1
    return keep_bytes(dead_letter.delivery, {HISTORY_HEADER: history[-latest:]}, room)


def resign(properties: Properties, keyring: Keyring, exchange: str, dead_letter: DeadLetter) -> None:
    """Sign the properties as a message of this installation, with a new message id where they have none."""
    properties.message_id = properties.message_id or uuid4().hex
    delivery = dead_letter.delivery
    content = content_of(exchange, delivery.routing_key, properties, delivery.body)
    properties.headers = {**(properties.headers or {}), SIGNATURE_HEADER: keyring.sign(content)}


class Replayer:
    """Publishes dead letters again, and removes each once the broker has confirmed its copy.

    A message keeps its signature; with a `keyring` it is signed again, and this installation will accept it.
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
        self,
        page: Page,
        dead_letters: Sequence[DeadLetter],
        on_removed: Callable[[Sequence[DeadLetter]], None],
    ) -> None:
        """Return once every dead letter is confirmed and removed, in order and at the given rate.

        `on_removed` is called with each chunk. Raises BrokerUnavailable: then those not confirmed are still in the
        queue. A cancellation takes effect after the chunk that is being published.
        """
        size = MAX_CHUNK if self._rate is None else max(1, min(MAX_CHUNK, int(self._rate / 10)))
        for start in range(0, len(dead_letters), size):
            chunk = dead_letters[start : start + size]
            await self._wait(len(chunk))
            await _finish(self._replay(page, chunk, on_removed))

    async def _replay(
        self,
        page: Page,
        dead_letters: Sequence[DeadLetter],
        on_removed: Callable[[Sequence[DeadLetter]], None],
    ) -> None:
        results = await asyncio.gather(*map(self._publish, dead_letters), return_exceptions=True)
        confirmed = [
            dead_letter for dead_letter, failed in zip(dead_letters, results, strict=True) if not failed
        ]
        await page.remove([dead_letter.delivery.tag for dead_letter in confirmed])
        on_removed(confirmed)
        for failed in results:
            if failed:
                raise failed

    async def _publish(self, dead_letter: DeadLetter) -> None:
        delivery = dead_letter.delivery
        properties = replay_properties(dead_letter, self._publisher.header_room)
        if self._keyring:
            resign(properties, self._keyring, self._exchange, dead_letter)
        await self._publisher.publish(self._exchange, delivery.routing_key, properties, delivery.body)

    async def _wait(self, count: int) -> None:
        """Sleep until the rate allows `count` more messages; time lost is not caught up."""
        if self._rate is None:
            return
        await asyncio.sleep(self._next - monotonic())
        self._next = max(self._next, monotonic()) + count / self._rate


def _restore(properties: Properties, added: FieldTable, room: int) -> Properties | None:
    return copy_properties(properties, added, dropped=_DROPPED, moved=_MOVED, max_bytes=room - FAILURE_BYTES)


def _entry_of(failure: Failure) -> FieldTable:
    return {
        "code": failure.code,
        "message": failure.message,
        "failed-at": format_timestamp(failure.failed_at) if failure.failed_at else "",
        "queue": failure.queue,
    }


async def _finish(work: Coroutine[None, None, None]) -> None:
    """Finish the work even when cancelled meanwhile, and raise the cancellation then."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
