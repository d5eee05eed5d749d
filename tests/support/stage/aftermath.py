"""Reads the state after a run: the ledger, the table, and the queues."""

import json
from time import monotonic

import aio_pika
import asyncpg
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from contracts.dead_letters import CODE_HEADER
from contracts.topology import Topology
from tests.support.stage.events import canonical
from tests.support.stage.history import DeadLetter, Entry, Key, Row
from worker.broker.topology import LEADER_SECONDS

TIMEOUT_SECONDS = 10.0


async def read_queues(amqp_url: str, topology: Topology) -> tuple[int, list[DeadLetter]]:
    """Return the number of waiting events, and the dead letters, which this removes from their queue."""
    connection = await aio_pika.connect(amqp_url, timeout=TIMEOUT_SECONDS)
    async with connection, connection.channel() as channel:
        return await count_ready(channel, topology), await _take_dead_letters(channel, topology)


async def read_tables(database_url: str) -> tuple[dict[str, Entry], dict[str, Row]]:
    """Return every session's ledger entry and row, from one snapshot."""
    connection = await asyncpg.connect(database_url, timeout=TIMEOUT_SECONDS)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            entries = await connection.fetch(
                "SELECT session_id, revision, event_id, outcome FROM session_ledger"
            )
            rows = await connection.fetch(
                "SELECT session_id, revision, player_id, encounter, state, extra, started_at, completed_at"
                "  FROM sessions"
            )
    finally:
        await connection.close()
    ledger = {entry[0]: Entry(Key(entry[1], entry[2]), entry[3]) for entry in entries}
    return ledger, {row[0]: _row_of(row) for row in rows}


async def count_ready(channel: AbstractChannel, topology: Topology) -> int:
    """Return the number of messages that wait in the event queues, without those delivered to a worker."""
    return sum(
        [await _count_certain(channel, queue.name) for queue in (topology.write_queue, topology.delete_queue)]
    )


async def _count_certain(channel: AbstractChannel, queue: str) -> int:
    """Return the number of waiting messages; asks again after a slow 0, which is uncertain (`QueueState`)."""
    while True:
        begun = monotonic()
        declared = (await channel.declare_queue(queue, passive=True)).declaration_result
        if declared.message_count or declared.consumer_count or monotonic() - begun < LEADER_SECONDS:
            return declared.message_count or 0


async def _take_dead_letters(channel: AbstractChannel, topology: Topology) -> list[DeadLetter]:
    queue = await channel.declare_queue(topology.dead_queue.name, passive=True)
    letters = []
    while message := await queue.get(no_ack=True, fail=False):
        letters.append(_dead_letter_of(message))
    return letters


def _dead_letter_of(message: AbstractIncomingMessage) -> DeadLetter:
    code = message.headers.get(CODE_HEADER)
    return DeadLetter(str(message.message_id), str(code) if code else "delivery_limit")


def _row_of(row: asyncpg.Record) -> Row:
    encounter, state, extra = (value and json.loads(value) for value in (row[3], row[4], row[5]))
    return Row(row[1], canonical(row[2], encounter, state, extra, row[6], row[7]))
