"""The least that an answer over the broker can cost: bare echoes with aio-pika."""

import asyncio
import os
from typing import Final

import aio_pika
import uvloop

PAGE: Final = b"x" * 215_000
"""As long as a page of 100 records."""


async def main() -> None:
    """Return each message until ended: on a classic queue, and on a quorum queue as `session.rpc` is one.

    The answer to a message in `bench.echo.page` is as long as a page of records.
    """
    connection = await aio_pika.connect(os.environ["AMQP_URL"])
    channel = await connection.channel(publisher_confirms=False)
    await channel.set_qos(prefetch_count=64)
    quorum: dict[str, aio_pika.abc.FieldValue] = {"x-queue-type": "quorum"}
    queues = (
        await channel.declare_queue("bench.echo", auto_delete=True),
        await channel.declare_queue("bench.echo.quorum", durable=True, arguments=quorum),
        await channel.declare_queue("bench.echo.page", durable=True, arguments=quorum),
    )

    async def answer(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        body = PAGE if message.routing_key == "bench.echo.page" else message.body
        reply = aio_pika.Message(body, correlation_id=message.correlation_id)
        await channel.default_exchange.publish(reply, str(message.reply_to))
        await message.ack()

    for queue in queues:
        await queue.consume(answer)
    await asyncio.Event().wait()


uvloop.run(main())
