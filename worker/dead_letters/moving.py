"""Moves the messages of a queue to another one with the same routing keys; none is lost on the way.

A message is removed from its queue once the broker has confirmed its copy. A process that ends in between leaves it
in both: a second dead letter with the same event id, or a request that is answered twice.
"""

import asyncio
from collections.abc import Callable
from sys import maxsize
from typing import Final

from pamqp.common import FieldTable

from contracts.dead_letters import CODE_HEADER, FAILED_AT_HEADER, MESSAGE_HEADER, ORIGIN_QUEUE_HEADER
from contracts.session import format_timestamp
from worker.broker.connection import FilteredConnection
from worker.broker.delivery import Delivery, Properties
from worker.broker.properties import BROKERS_COUNTS, copy_properties, keep_bytes
from worker.broker.publisher import Publisher
from worker.dead_letters.dead_letter import Failure, read_dead_letter
from worker.dead_letters.message import sendable_key
from worker.dead_letters.peek import PageSizes, QueuePeek, count_messages

AT_ONCE: Final = PageSizes(first=64, largest=64)

PropertiesOf = Callable[[Delivery, int], Properties | None]
"""Returns the properties with which to publish a message, in this number of bytes; None to drop the message."""


async def move_messages(
    connection: FilteredConnection,
    publisher: Publisher,
    queue: str,
    exchange: str,
    properties_of: PropertiesOf,
) -> int:
    """Move the messages of the queue through the exchange, in order; return their number.

    Messages that arrive meanwhile may stay. Raises BrokerUnavailable; unconfirmed messages stay in the queue.
    """
    moved = 0
    peek = QueuePeek(connection, queue, await count_messages(connection, queue), AT_ONCE)
    try:
        async for page in peek.pages(maxsize):
            publishing = [
                _publish(publisher, exchange, each, properties_of(each, publisher.header_room))
                for each in page.deliveries
            ]
            await asyncio.gather(*publishing)
            await page.remove([each.tag for each in page.deliveries])
            moved += len(page.deliveries)
    finally:
        await asyncio.create_task(peek.release())
    return moved


def properties_of_dead_letter(delivery: Delivery, room: int) -> Properties:
    """Return the properties of a dead letter, with the reason of the broker in the words of the worker.

    The broker says why in headers of its own. A message that another program publishes must not carry them.
    """
    letter = read_dead_letter(delivery, 1)
    why = {} if _is_explained(letter.properties) else _headers_of(letter.failure)
    own = letter.properties
    copied = copy_properties(own, why, dropped=BROKERS_COUNTS, max_bytes=room) if own else None
    return copied or keep_bytes(delivery, _headers_of(letter.failure), room)


def properties_of_request(delivery: Delivery, _room: int) -> Properties | None:
    """Return the properties of a request unchanged; None for undecodable ones: they name no reply address."""
    return delivery.read_properties()


async def _publish(
    publisher: Publisher, exchange: str, delivery: Delivery, properties: Properties | None
) -> None:
    if properties is not None:
        await publisher.publish(exchange, sendable_key(delivery.routing_key), properties, delivery.body)


def _is_explained(properties: Properties | None) -> bool:
    return properties is not None and CODE_HEADER in (properties.headers or {})


def _headers_of(failure: Failure) -> FieldTable:
    return {
        CODE_HEADER: failure.code,
        MESSAGE_HEADER: failure.message,
        FAILED_AT_HEADER: format_timestamp(failure.failed_at) if failure.failed_at else "",
        ORIGIN_QUEUE_HEADER: failure.queue,
    }
