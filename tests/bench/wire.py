"""Publishing as fast as it goes."""

from aiormq.abc import AbstractChannel
from pamqp.commands import Basic


async def send(
    channel: AbstractChannel, body: bytes, routing_key: str, properties: Basic.Properties, exchange: str = ""
) -> None:
    """Hand a message to the connection's writer; nobody waits for it to be written."""
    await channel.basic_publish(  # type: ignore[call-arg]  # the abstract class lacks the parameter
        body, exchange=exchange, routing_key=routing_key, properties=properties, wait=False
    )
