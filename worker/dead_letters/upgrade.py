"""Upgrades the topology of an earlier release; after an interruption the next run continues.

Dead letters move from the former queue, whose messages RabbitMQ 4 drops after 20 reads, to one that keeps them. The
former queue stays, empty, because a worker of the earlier release may hold messages of it. The queue of requests is
declared again under its name, and its messages wait in another queue meanwhile.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused

from contracts.topology import DELIVERY_LIMIT, Queue, Topology
from worker.broker.connection import FilteredConnection, broker_calls, close_quietly, connected, open_channel
from worker.broker.delivery import Properties
from worker.broker.publisher import Publisher
from worker.broker.release import release_of
from worker.broker.topology import Difference, declare, declare_one, find_difference
from worker.dead_letters.moving import move_messages, properties_of_dead_letter, properties_of_request
from worker.dead_letters.peek import count_messages
from worker.errors import TopologyError

NAME: Final = "session-store topology"
TIMEOUT_SECONDS: Final = 10.0
SETTLE_SECONDS: Final = 1.5  # messages that were routed before the unbinding have reached the queue by then
RETURN_SECONDS: Final = 2.0
POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The numbers of dead letters that were moved, and that must still wait in the former queue."""

    moved: int = 0
    waiting: int = 0


async def upgrade_topology(url: str, topology: Topology) -> Upgraded:
    """Declare the whole topology, and move the messages of an earlier release into it.

    Raises TopologyError when a part differs or the user may not declare, BrokerUnavailable.
    """
    async with (
        connected(url, NAME, TIMEOUT_SECONDS) as connection,
        connected(url, NAME, TIMEOUT_SECONDS) as publishing,
    ):
        channel = await open_channel(publishing, confirms=True, timeout=TIMEOUT_SECONDS)
        upgrade = _Upgrade(connection, Publisher(channel), topology)
        try:
            await upgrade.redeclare(topology.rpc_queue)
            await declare(connection, topology)
            return await upgrade.move_dead_letters()
        finally:
            await close_quietly(channel)


class _Upgrade:
    def __init__(self, connection: FilteredConnection, publisher: Publisher, topology: Topology) -> None:
        self._connection = connection
        self._publisher = publisher
        self._topology = topology

    async def redeclare(self, queue: Queue) -> None:
        """Replace a queue that an earlier release declared otherwise; keep its messages."""
        spare = queue.moving
        if await find_difference(self._connection, queue) is Difference.EARLIER:
            await self._lead(queue, to=spare)
            await self._empty(queue)
            await self._delete(queue)
        if await find_difference(self._connection, spare) is not Difference.MISSING:
            await self._lead(spare, to=queue)
            await self._empty(spare)
            await self._delete(spare)

    async def move_dead_letters(self) -> Upgraded:
        """Move the dead letters of the former queue to the bound one, unless the broker could drop one."""
        former = self._topology.former_dead_queue
        if await find_difference(self._connection, former) is Difference.MISSING:
            return Upgraded()
        await self._unbind(former)
        waiting = await count_messages(self._connection, former.name)
        if waiting and not await self._keeps_returned():
            return Upgraded(waiting=waiting)
        return Upgraded(moved=await self._move_dead_letters(former) if waiting else 0)

    async def _move_dead_letters(self, former: Queue) -> int:
        exchange = self._topology.dead.name
        return await move_messages(
            self._connection, self._publisher, former.name, exchange, properties_of_dead_letter
        )

    async def _keeps_returned(self) -> bool:
        """Whether a message that comes back to the former queue stays, be the move cut off as often as it may.

        Before RabbitMQ 4 it does. Since then a policy has to say so, and AMQP shows no policies: so a message of our
        own comes back to a queue that is declared like the former one and named for the same policy.
        """
        if not release_of(self._connection).limits_deliveries:
            return True
        probe = self._topology.probe_queue
        await self._delete(probe)
        channel = await open_channel(self._connection, confirms=False, timeout=TIMEOUT_SECONDS)
        await self._bind(channel, probe)
        await self._publisher.publish(probe.exchange, probe.binding_key, Properties(delivery_mode=2), b"")
        stays = True
        for _ in range(DELIVERY_LIMIT + 1):
            stays = stays and await self._comes_back(probe.name)
        await close_quietly(channel)
        await self._delete(probe)
        return stays

    async def _comes_back(self, queue: str) -> bool:
        channel = await open_channel(self._connection, confirms=False, timeout=TIMEOUT_SECONDS)
        with broker_calls():
            await channel.basic_get(queue, timeout=TIMEOUT_SECONDS)
        await close_quietly(channel)
        deadline = asyncio.get_running_loop().time() + RETURN_SECONDS
        while not await count_messages(self._connection, queue):
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def _empty(self, queue: Queue) -> None:
        """Move the messages of a queue that nothing leads to any more, until it stays empty."""
        while True:
            await move_messages(
                self._connection, self._publisher, queue.name, queue.exchange, properties_of_request
            )
            await asyncio.sleep(SETTLE_SECONDS)
            if not await count_messages(self._connection, queue.name):
                return

    async def _lead(self, queue: Queue, *, to: Queue) -> None:
        """Have messages go to another queue from now on, which is declared where it is missing."""
        channel = await open_channel(self._connection, confirms=False, timeout=TIMEOUT_SECONDS)
        await self._bind(channel, to)
        await close_quietly(channel)
        await self._unbind(queue)

    async def _bind(self, channel: AbstractChannel, queue: Queue) -> None:
        with broker_calls():
            try:
                await declare_one(channel, queue)
                await channel.queue_bind(
                    queue.name, queue.exchange, queue.binding_key, timeout=TIMEOUT_SECONDS
                )
            except ChannelAccessRefused as error:
                raise TopologyError(f"{error}; import deploy/rabbitmq/installation.json again") from error

    async def _unbind(self, queue: Queue) -> None:
        channel = await open_channel(self._connection, confirms=False, timeout=TIMEOUT_SECONDS)
        with broker_calls():
            try:
                await channel.queue_unbind(
                    queue.name, queue.exchange, queue.binding_key, timeout=TIMEOUT_SECONDS
                )
            except ChannelAccessRefused as error:
                raise TopologyError(f"{error}; import deploy/rabbitmq/installation.json again") from error
            await channel.close()

    async def _delete(self, queue: Queue) -> None:
        channel = await open_channel(self._connection, confirms=False, timeout=TIMEOUT_SECONDS)
        with broker_calls():
            try:
                await channel.queue_delete(queue.name, timeout=TIMEOUT_SECONDS)
            except ChannelAccessRefused as error:
                raise TopologyError(f"{error}; import deploy/rabbitmq/installation.json again") from error
            await channel.close()
