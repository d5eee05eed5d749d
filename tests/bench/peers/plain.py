"""The usual program: an aio-pika handler, one message, one transaction, one acknowledgement."""

import asyncio
import os

import aio_pika
import asyncpg
import orjson
import uvloop

from tests.bench.peers.upsert import UPSERT, values_of


async def main() -> None:
    """Store every event until ended."""
    pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], max_size=10)
    connection = await aio_pika.connect_robust(os.environ["AMQP_URL"])
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=100)
    queue = await channel.get_queue("session.write", ensure=False)

    async def store(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        async with message.process(), pool.acquire() as database, database.transaction():
            await database.execute(UPSERT, *values_of(orjson.loads(message.body)))

    await queue.consume(store)
    await asyncio.Event().wait()


uvloop.run(main())
