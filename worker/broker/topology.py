"""Declares the broker's side, or compares it with what this program was written for."""

from collections.abc import Awaitable
from enum import StrEnum

import aio_pika
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed

from contracts.topology import Exchange, Queue, Topology
from worker.broker.connection import PASSING, describe, open_channel
from worker.errors import BrokerUnavailable

TIMEOUT_SECONDS = 10.0


class Difference(StrEnum):
    """How one exchange or queue is not as it should be."""

    MISSING = "missing"
    DIFFERENT = "declared differently"


async def declare(connection: aio_pika.Connection, topology: Topology) -> None:
    """Leave every exchange, queue and binding declared.

    Raises ChannelPreconditionFailed naming the first one that exists with other arguments,
    ChannelAccessRefused when the user may not declare, BrokerUnavailable when the broker is lost.
    """
    channel = await open_channel(connection, confirms=False, timeout=TIMEOUT_SECONDS)
    try:
        for exchange in topology.exchanges:
            await _declare_exchange(channel, exchange)
        for queue in topology.queues:
            await _declare_queue(channel, queue)
            await channel.queue_bind(queue.name, queue.exchange, queue.binding_key, timeout=TIMEOUT_SECONDS)
    except (ChannelPreconditionFailed, ChannelAccessRefused):
        raise
    except PASSING as error:
        raise BrokerUnavailable(describe(error)) from error
    finally:
        await _close(channel)


async def find_differences(connection: aio_pika.Connection, topology: Topology) -> dict[str, Difference]:
    """Return what is missing or differs, by name; empty when all is as it should be. Changes nothing.

    Arguments are compared by declaring what is known to exist; a user who may not declare compares names only.
    """
    found: dict[str, Difference] = {}
    for exchange in topology.exchanges:
        if difference := await _compare(connection, exchange):
            found[exchange.name] = difference
    for queue in topology.queues:
        if difference := await _compare(connection, queue):
            found[queue.name] = difference
    return found


async def _compare(connection: aio_pika.Connection, wanted: Exchange | Queue) -> Difference | None:
    channel = await open_channel(connection, confirms=False, timeout=TIMEOUT_SECONDS)
    try:
        await _declare(channel, wanted, passive=True)
        await _declare(channel, wanted, passive=False)
    except ChannelNotFoundEntity:
        return Difference.MISSING
    except ChannelPreconditionFailed:
        return Difference.DIFFERENT
    except ChannelAccessRefused:
        return None
    except PASSING as error:
        raise BrokerUnavailable(describe(error)) from error
    finally:
        await _close(channel)
    return None


def _declare(channel: AbstractChannel, wanted: Exchange | Queue, *, passive: bool) -> Awaitable[object]:
    if isinstance(wanted, Exchange):
        return _declare_exchange(channel, wanted, passive=passive)
    return _declare_queue(channel, wanted, passive=passive)


async def _declare_exchange(channel: AbstractChannel, exchange: Exchange, *, passive: bool = False) -> None:
    await channel.exchange_declare(
        exchange.name, exchange_type="topic", durable=True, passive=passive, timeout=TIMEOUT_SECONDS
    )


async def _declare_queue(channel: AbstractChannel, queue: Queue, *, passive: bool = False) -> None:
    await channel.queue_declare(
        queue.name, durable=True, passive=passive, arguments=dict(queue.arguments), timeout=TIMEOUT_SECONDS
    )


async def _close(channel: AbstractChannel) -> None:
    try:
        await channel.close()
    except PASSING:
        return
