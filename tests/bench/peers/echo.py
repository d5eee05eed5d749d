"""The least that an answer over the broker can cost: a bare echo with aio-pika, on each of two kinds of queues."""

import asyncio
import os

import aio_pika
import uvloop


async def main() -> None:
    """Send back what comes until ended: on a classic queue, and on a quorum queue as `session.rpc` is one."""
    connection = await aio_pika.connect(os.environ["AMQP_URL"])
    channel = await connection.channel(publisher_confirms=False)
    await channel.set_qos(prefetch_count=64)
    queues = (
        await channel.declare_queue("bench.echo", auto_delete=True),
        await channel.declare_queue("bench.echo.quorum", durable=True, arguments={"x-queue-type": "quorum"}),
    )

    async def answer(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        reply = aio_pika.Message(message.body, correlation_id=message.correlation_id)
        await channel.default_exchange.publish(reply, str(message.reply_to))
        await message.ack()

    for queue in queues:
        await queue.consume(answer)
    await asyncio.Event().wait()


uvloop.run(main())
