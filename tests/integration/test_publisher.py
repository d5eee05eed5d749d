"""The worker knows of each published message whether the broker confirmed it."""

import aio_pika

from contracts.outcomes import DeadLetterCode
from contracts.topology import Topology
from worker.broker.delivery import Properties
from worker.broker.publisher import DeadLetterMessage
from worker.broker.session import BrokerOptions, open_broker_session


async def test_letters_of_one_message_id_are_all_known_to_be_returned(
    amqp_url: str, topology: Topology
) -> None:
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue(topology.dead_queue.name)
        await queue.unbind(topology.dead.name, "#")
    broker = await open_broker_session(BrokerOptions(lambda: amqp_url, "test"))
    publisher = await broker.open_publisher()
    letters = [
        DeadLetterMessage(
            DeadLetterCode.BAD_JSON, "session.write", Properties(message_id="same", delivery_mode=2), b"{"
        )
        for _ in range(5)
    ]
    refused = await publisher.publish_dead_letters(topology.dead.name, letters)
    assert not broker.lost.done()  # although another channel publishes now
    await broker.close()
    assert [letter for letter, _ in refused] == letters
    assert all("routes to no queue" in reason for _, reason in refused)
