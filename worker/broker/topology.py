"""Exchanges and queues at the broker: declared, compared with what this program was written for, and counted."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import aio_pika
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed

from contracts.topology import Exchange, Queue, Topology
from worker.broker.connection import FilteredConnection, broker_calls, connected, open_channel
from worker.errors import TopologyError

NAME: Final = "session-store topology"
TIMEOUT_SECONDS: Final = 10.0


class Difference(StrEnum):
    """How one exchange or queue is not as it should be."""

    MISSING = "missing"
    DIFFERENT = "declared differently"


class QueueState(NamedTuple):
    """How many messages wait in a queue, without those that consumers hold, and how many consumers it has."""

    messages: int
    consumers: int


async def declare_topology(url: str, topology: Topology) -> None:
    """Leave the whole topology declared, by a connection of its own; raises as `declare` does."""
    async with connected(url, NAME, TIMEOUT_SECONDS) as connection:
        await declare(connection, topology)


async def check_topology(url: str, topology: Topology) -> dict[str, Difference]:
    """Return the differences by name, over a connection of its own; changes nothing."""
    async with connected(url, NAME, TIMEOUT_SECONDS) as connection:
        return await find_differences(connection, topology)


async def declare(connection: aio_pika.Connection, topology: Topology) -> None:
    """Leave every exchange, queue and binding declared.

    Raises TopologyError when one exists with other arguments or the user may not declare, BrokerUnavailable.
    """
    channel = await open_channel(connection, confirms=False, timeout=TIMEOUT_SECONDS)
    with broker_calls():
        try:
            for exchange in topology.exchanges:
                await _declare(channel, exchange, passive=False)
            for queue in topology.queues:
                await _declare(channel, queue, passive=False)
                await channel.queue_bind(
                    queue.name, queue.exchange, queue.binding_key, timeout=TIMEOUT_SECONDS
                )
        except ChannelPreconditionFailed as error:
            raise TopologyError(f"{error}; delete it, or use another SESSION_STORE_PREFIX") from error
        except ChannelAccessRefused as error:
            raise TopologyError(f"{error}; declare it as a user with configure permission") from error
        await channel.close()


async def find_differences(connection: aio_pika.Connection, topology: Topology) -> dict[str, Difference]:
    """Return each exchange and queue that is missing or differs, by name; changes nothing.

    Arguments are compared by declaring an object that exists; a user without that right compares names only.
    """
    found: dict[str, Difference] = {}
    for exchange in topology.exchanges:
        if difference := await _compare(connection, exchange):
            found[exchange.name] = difference
    for queue in topology.queues:
        if difference := await _compare(connection, queue):
            found[queue.name] = difference
    return found


def list_differences(differences: Mapping[str, Difference]) -> str:
    """Return differences as a person reads them."""
    return ", ".join(f"{name} is {difference}" for name, difference in differences.items())


async def read_queue_state(connection: FilteredConnection, queue: str, timeout: float) -> QueueState:
    """Return how many messages and consumers a queue has now; raises BrokerUnavailable, also without such a queue."""
    channel = await open_channel(connection, confirms=False, timeout=timeout)
    with broker_calls():
        declared = await channel.queue_declare(queue, passive=True, timeout=timeout)
        await channel.close()
    return QueueState(declared.message_count or 0, declared.consumer_count or 0)


async def _compare(connection: aio_pika.Connection, wanted: Exchange | Queue) -> Difference | None:
    channel = await open_channel(connection, confirms=False, timeout=TIMEOUT_SECONDS)
    with broker_calls():
        try:
            await _declare(channel, wanted, passive=True)
            await _declare(channel, wanted, passive=False)
        except ChannelNotFoundEntity:
            return Difference.MISSING
        except ChannelPreconditionFailed:
            return Difference.DIFFERENT
        except ChannelAccessRefused:
            return None
        await channel.close()
    return None


async def _declare(channel: AbstractChannel, wanted: Exchange | Queue, *, passive: bool) -> None:
    match wanted:
        case Exchange(name):
            await channel.exchange_declare(
                name, exchange_type="topic", durable=True, passive=passive, timeout=TIMEOUT_SECONDS
            )
        case Queue(name):
            await channel.queue_declare(
                name, durable=True, passive=passive, arguments=dict(wanted.arguments), timeout=TIMEOUT_SECONDS
            )
