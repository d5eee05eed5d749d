"""Declares the broker's side, or compares it with what this program was written for."""

from collections.abc import Mapping
from enum import StrEnum

import aio_pika
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed

from contracts.topology import Exchange, Queue, Topology
from worker.broker.connection import broker_calls, open_channel
from worker.errors import TopologyError

TIMEOUT_SECONDS = 10.0


class Difference(StrEnum):
    """How one exchange or queue is not as it should be."""

    MISSING = "missing"
    DIFFERENT = "declared differently"


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


def list_differences(differences: Mapping[str, Difference]) -> str:
    """Return differences as a person reads them."""
    return ", ".join(f"{name} is {difference}" for name, difference in differences.items())


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
