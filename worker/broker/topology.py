"""Declares the broker's side, or compares it with what this program was written for."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
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
    EARLIER = "declared as by an earlier release"


async def declare(connection: aio_pika.Connection, topology: Topology) -> None:
    """Leave every exchange, queue and binding declared.

    Raises TopologyError when one exists with other arguments or the user may not declare, BrokerUnavailable.
    """
    channel = await open_channel(connection, confirms=False, timeout=TIMEOUT_SECONDS)
    with broker_calls():
        try:
            for exchange in topology.exchanges:
                await declare_one(channel, exchange)
            for queue in topology.queues:
                await declare_one(channel, queue)
                await channel.queue_bind(
                    queue.name, queue.exchange, queue.binding_key, timeout=TIMEOUT_SECONDS
                )
        except ChannelPreconditionFailed as error:
            raise TopologyError(f"{error}; delete it, or use another SESSION_STORE_PREFIX") from error
        except ChannelAccessRefused as error:
            raise TopologyError(f"{error}; declare it as a user with configure permission") from error
        await channel.close()


async def find_differences(
    connection: aio_pika.Connection, wanted: Iterable[Exchange | Queue]
) -> dict[str, Difference]:
    """Return what is missing or differs, by name; empty when all is as it should be. Changes nothing.

    Arguments are compared by declaring what is known to exist; a user who may not declare compares names only.
    """
    found: dict[str, Difference] = {}
    for each in wanted:
        if difference := await find_difference(connection, each):
            found[each.name] = difference
    return found


def list_differences(differences: Mapping[str, Difference]) -> str:
    """Return differences as a person reads them."""
    return ", ".join(f"{name} is {difference}" for name, difference in differences.items())


async def find_difference(connection: aio_pika.Connection, wanted: Exchange | Queue) -> Difference | None:
    """Return how one exchange or queue differs, as `find_differences` does; None where it does not."""
    if not await _is_declared(connection, wanted, passive=True):
        return Difference.MISSING
    if await _is_declared(connection, wanted):
        return None
    if isinstance(wanted, Queue) and wanted.earlier is not None:
        former = replace(wanted, arguments=wanted.earlier)
        if await _is_declared(connection, former):
            return Difference.EARLIER
    return Difference.DIFFERENT


async def _is_declared(
    connection: aio_pika.Connection, wanted: Exchange | Queue, *, passive: bool = False
) -> bool:
    """Whether it is there, or, where that is known, whether it is there with these arguments."""
    channel = await open_channel(connection, confirms=False, timeout=TIMEOUT_SECONDS)
    with broker_calls():
        try:
            await declare_one(channel, wanted, passive=passive)
        except (ChannelNotFoundEntity, ChannelPreconditionFailed):
            return False
        except ChannelAccessRefused:
            return True
        await channel.close()
    return True


async def declare_one(channel: AbstractChannel, wanted: Exchange | Queue, *, passive: bool = False) -> None:
    """Have an exchange or a queue declared, or with `passive` only looked for; raises what aiormq raises."""
    match wanted:
        case Exchange(name):
            await channel.exchange_declare(
                name, exchange_type="topic", durable=True, passive=passive, timeout=TIMEOUT_SECONDS
            )
        case Queue(name):
            await channel.queue_declare(
                name, durable=True, passive=passive, arguments=dict(wanted.arguments), timeout=TIMEOUT_SECONDS
            )
