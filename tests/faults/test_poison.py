"""Messages that stop every stock aio-pika consumer, published among other events."""

import asyncio

import aio_pika

from contracts.dead_letters import CODE_HEADER
from contracts.topology import WRITE_KEY
from tests.support.broker.raw_amqp import UNDECODABLE, raw_publisher
from tests.support.stage.stage import Stage
from tests.support.stage.stream import Mix

VALID = Mix(invalid=0.0, conditional=0.0)


async def test_poison_is_dead_lettered_while_events_flow_on_one_connection(calm_stage: Stage) -> None:
    stage, over = calm_stage, asyncio.Event()
    replica = await stage.start_replica()
    publishing = asyncio.create_task(stage.publish_until(over, rate=1000, mix=VALID))
    async with raw_publisher(stage.rabbit.url) as publisher:
        for _ in range(3):
            for properties in UNDECODABLE.values():
                await publisher.publish(stage.topology.sessions.name, WRITE_KEY, properties, b"{}")
                await stage.probe()
    over.set()
    await publishing
    await stage.drained()
    assert await replica.stop() == 0
    assert replica.count("broker.connected") == 1
    codes = await _codes_of_dead_letters(stage)
    assert codes == ["bad_properties"] * 3 * len(UNDECODABLE)


async def _codes_of_dead_letters(stage: Stage) -> list[str]:
    connection = await aio_pika.connect(stage.rabbit.url)
    codes = []
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue(stage.topology.dead_queue.name)
        while letter := await queue.get(no_ack=True, fail=False):
            codes.append(str(letter.headers[CODE_HEADER]))
    return codes
