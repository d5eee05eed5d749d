"""Declares, compares and counts the exchanges and queues at the broker."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from time import monotonic
from typing import Final, NamedTuple

import aio_pika
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed

from contracts.topology import Exchange, Queue, Topology
from worker.broker.connection import FilteredConnection, broker_calls, close_quietly, connected, open_channel
from worker.errors import BrokerUnavailable, TopologyError

NAME: Final = "session-store topology"
TIMEOUT_SECONDS: Final = 10.0
LEADER_SECONDS: Final = 0.2
"""Less than RabbitMQ waits for the leader of a queue."""
CERTAIN_ATTEMPTS: Final = 10


class Difference(StrEnum):
    """How one exchange or queue is not as it should be."""

    MISSING = "missing"
    DIFFERENT = "declared differently"
    EARLIER = "declared as by an earlier release"


class QueueState(NamedTuple):
    """The number of messages that wait in a queue, without those that consumers hold, and of its consumers.

    Where they are not certain, ignore the numbers: RabbitMQ waits 250 ms for the leader of a quorum queue and then
    answers 0 and 0 (rabbit_quorum_queue:stat/2).
    """

    messages: int
    consumers: int
    is_certain: bool = True


async def declare_topology(url: str, topology: Topology) -> None:
    """Leave the whole topology declared, by a connection of its own; raises as `declare` does."""
    async with connected(url, NAME, TIMEOUT_SECONDS) as connection:
        await declare(connection, topology)


async def check_topology(url: str, topology: Topology) -> dict[str, Difference]:
    """Return the differences by name, over a connection of its own; changes nothing."""
    async with connected(url, NAME, TIMEOUT_SECONDS) as connection:
        return await find_differences(connection, topology.declared)


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
    """Return each exchange and queue that is missing or differs, by name; changes nothing.

    Arguments are compared by declaring an object that exists; a user without that right compares names only.
    """
    found: dict[str, Difference] = {}
    for each in wanted:
        if difference := await find_difference(connection, each):
            found[each.name] = difference
    return found


async def find_difference(connection: aio_pika.Connection, wanted: Exchange | Queue) -> Difference | None:
    """Return how one exchange or queue differs, as `find_differences` does; None where it does not."""
    if not await _is_declared(connection, wanted, passive=True):
        return Difference.MISSING
    if await _is_declared(connection, wanted):
        return None
    if not isinstance(wanted, Queue) or wanted.earlier is None:
        return Difference.DIFFERENT
    is_earlier = await _is_declared(connection, replace(wanted, arguments=wanted.earlier))
    return Difference.EARLIER if is_earlier else Difference.DIFFERENT


def list_differences(differences: Mapping[str, Difference]) -> str:
    """Return differences as a person reads them."""
    return ", ".join(f"{name} is {difference}" for name, difference in differences.items())


async def read_queue_state(connection: FilteredConnection, queue: str, timeout: float) -> QueueState:
    """Return how many messages and consumers a queue has now; raises BrokerUnavailable, also without such a queue."""
    begun = monotonic()
    channel = await open_channel(connection, confirms=False, timeout=timeout)
    opened = monotonic()
    try:
        with broker_calls():
            declared = await channel.queue_declare(queue, passive=True, timeout=timeout)
        way = opened - begun  # no queue has a part in the opening of a channel
        is_prompt = monotonic() - opened - way < LEADER_SECONDS
    finally:
        await close_quietly(channel)
    messages, consumers = declared.message_count or 0, declared.consumer_count or 0
    return QueueState(messages, consumers, bool(messages or consumers) or is_prompt)


async def read_certain_queue_state(connection: FilteredConnection, queue: str, timeout: float) -> QueueState:
    """Return the state of a queue once it is certain; raises BrokerUnavailable, also after 10 attempts."""
    for _ in range(CERTAIN_ATTEMPTS):
        state = await read_queue_state(connection, queue, timeout)
        if state.is_certain:
            return state
        await asyncio.sleep(LEADER_SECONDS)
    raise BrokerUnavailable(
        f"the leader of the queue {queue} does not answer in time; the broker is overloaded"
    )


async def _is_declared(
    connection: aio_pika.Connection, wanted: Exchange | Queue, *, passive: bool = False
) -> bool:
    """Whether it exists or, where this user may compare them, exists with these arguments."""
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
    """Declare an exchange or a queue, or with `passive` find that it exists; raises the errors of aiormq."""
    match wanted:
        case Exchange(name):
            await channel.exchange_declare(
                name, exchange_type="topic", durable=True, passive=passive, timeout=TIMEOUT_SECONDS
            )
        case Queue(name):
            await channel.queue_declare(
                name, durable=True, passive=passive, arguments=dict(wanted.arguments), timeout=TIMEOUT_SECONDS
            )
