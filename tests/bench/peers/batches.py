"""The same batches sent to PostgreSQL without a broker, two at a time: the limit of the database's side."""

import asyncio
import os
import sys
from time import monotonic, process_time

import orjson
import uvloop

from worker.broker.delivery import Delivery, Properties
from worker.ingest.decode import decode
from worker.ingest.fold import group_by_session, rounds_of
from worker.settings.config import Settings
from worker.store.storage import StorageOptions, open_storage
from worker.store.writer import Round

BATCH = Settings.model_fields["batch_size"].default
LARGEST = 1_048_576


def rounds_in(lines: list[bytes]) -> list[Round]:
    """Return the rounds that the worker would send for a batch."""
    deliveries = [Delivery("", at, False, "session.write", b"", line) for at, line in enumerate(lines)]
    return list(rounds_of(group_by_session(decode(each, Properties(), LARGEST).event for each in deliveries)))


async def main() -> None:
    """Store the events of stdin, and print the figures."""
    lines = sys.stdin.buffer.read().splitlines()
    batches = [rounds_in(lines[at : at + BATCH]) for at in range(0, len(lines), BATCH)]
    async with open_storage(
        StorageOptions(
            dsn=lambda: os.environ["DATABASE_URL"], pool_size=10, connect_timeout=5.0, statement_timeout=30.0
        )
    ) as storage:
        await storage.ping_writer()
        began, worked = monotonic(), process_time()
        waiting = iter(batches)

        async def store() -> None:
            for batch in waiting:
                await storage.writer.apply(batch)

        await asyncio.gather(store(), store())
        figures = {
            "events": len(lines),
            "seconds": monotonic() - began,
            "cpu": process_time() - worked,
        }
    print(orjson.dumps(figures).decode())


uvloop.run(main())
