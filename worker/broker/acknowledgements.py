"""The deliveries of one channel that are not acknowledged, and how they become so."""

from collections.abc import Sequence
from itertools import takewhile

from aiormq.abc import ChannelFrame
from pamqp.commands import Basic

from worker.broker.consumer import Consumer
from worker.broker.frame_writer import FrameWriter

Acknowledgement = tuple[int, bool]
"""A delivery tag, and whether every earlier delivery is acknowledged with it."""


class Acknowledgements:
    """Counts the deliveries that each consumer holds, and writes or holds back their acknowledgements."""

    def __init__(self, writer: FrameWriter) -> None:
        self._writer = writer
        self._consumers: dict[int, Consumer] = {}
        self._held: list[Acknowledgement] | None = None

    def __len__(self) -> int:
        """Return how many deliveries are not acknowledged."""
        return len(self._consumers)

    def expect(self, tag: int, consumer: Consumer) -> None:
        """Count a delivery that has come."""
        self._consumers[tag] = consumer
        consumer.held += 1

    async def send(self, tag: int, multiple: bool) -> None:
        """Acknowledge a delivery, with `multiple` every earlier one too; raises BrokerUnavailable."""
        if self._held is not None:
            self._held.append((tag, multiple))
            return
        await self._write(tag, multiple)

    def hold(self) -> None:
        """Hold acknowledgements back from now on."""
        self._held = []

    async def release(self) -> None:
        """Write those held back in the order they came, and behind them those that come meanwhile.

        Raises BrokerUnavailable.
        """
        while self._held:
            held, self._held = self._held, []
            for tag, multiple in merge(held):
                await self._write(tag, multiple)
        self._held = None

    async def _write(self, tag: int, multiple: bool) -> None:
        earlier = list(takewhile(lambda known: known < tag, self._consumers)) if multiple else []
        for number in (*earlier, tag):
            if consumer := self._consumers.pop(number, None):
                consumer.held -= 1
        await self._writer.write(
            ChannelFrame.marshall(self._writer.channel, [Basic.Ack(tag, multiple)]).payload
        )


def merge(held: Sequence[Acknowledgement]) -> list[Acknowledgement]:
    """Return fewer acknowledgements that say the same: of those that cover earlier ones the last is enough."""
    covering = [(tag, multiple) for tag, multiple in held if multiple]
    return covering[-1:] + [(tag, multiple) for tag, multiple in held if not multiple]
