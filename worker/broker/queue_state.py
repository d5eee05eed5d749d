"""What the broker says of a queue."""

from typing import NamedTuple

from worker.broker.connection import FilteredConnection, broker_calls, close_quietly, open_channel


class QueueState(NamedTuple):
    """How many messages wait in a queue, those with consumers aside, and how many consumers it has."""

    messages: int
    consumers: int


async def look_at_queue(connection: FilteredConnection, queue: str, timeout: float) -> QueueState:
    """Return what the broker says of a queue now; raises BrokerUnavailable, also when there is no such queue."""
    channel = await open_channel(connection, confirms=False, timeout=timeout)
    try:
        with broker_calls():
            declared = await channel.queue_declare(queue, passive=True, timeout=timeout)
    finally:
        await close_quietly(channel)
    return QueueState(declared.message_count or 0, declared.consumer_count or 0)
