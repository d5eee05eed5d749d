"""The time from publishing to the commit, and to the confirmation."""

import asyncio
from collections.abc import Sequence
from time import monotonic, time
from typing import Final

from pamqp.commands import Basic

from contracts.topology import WRITE_KEY
from tests.bench.events import Event, make_events
from tests.bench.stand import WORKER, Stand
from tests.bench.wire import Line, open_line
from worker.broker.delivery import Delivery

RATES: Final = (100, 1_000, 5_000)
COMMITTED: Final = (
    "SELECT session_id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM sessions"
)


async def latencies(stand: Stand, rate: int, seconds: float, *, confirmed: bool) -> list[float]:
    """Return each event's milliseconds from publishing to its commit, or to its confirmation."""
    events = make_events(int(rate * seconds) + rate)
    async with stand.running(WORKER), open_line(stand.rabbit.url) as line:
        publisher = Publisher(line, stand.topology.sessions.name)
        if confirmed:
            await publisher.listen()
        await publisher.publish(events[:rate], rate)  # connections, plans and caches
        await _stored(stand, rate)
        published = await publisher.publish(events[rate:], rate)
        told = await _stored(stand, len(events))
        ends = publisher.answered if confirmed else told
        while len(ends) < len(events):
            await asyncio.sleep(0.05)
    return [(ends[session_id] - at) * 1000 for session_id, at in published.items()]


class Publisher:
    """Publishes at a rate, and records the time of each confirmation."""

    def __init__(self, line: Line, exchange: str) -> None:
        self._line = line
        self._exchange = exchange
        self._reply_to: str | None = None
        self.answered: dict[str, float] = {}

    async def listen(self) -> None:
        """Ask for confirmations, and begin to receive them."""
        self._reply_to = await self._line.listen(self._take)

    async def publish(self, events: Sequence[Event], rate: int) -> dict[str, float]:
        """Publish the events evenly; returns the time of each, by session."""
        published: dict[str, float] = {}
        began = monotonic()
        for number, event in enumerate(events):
            if (early := began + number / rate - monotonic()) > 0:
                await asyncio.sleep(early)
            published[event.session_id] = time()
            await self._publish(event)
        return published

    async def _publish(self, event: Event) -> None:
        properties = Basic.Properties(
            content_type="application/cloudevents+json",
            delivery_mode=2,
            reply_to=self._reply_to,
            correlation_id=event.session_id if self._reply_to else None,
        )
        await self._line.send(event.body, WRITE_KEY, properties, self._exchange)

    def _take(self, delivery: Delivery) -> None:
        properties = delivery.read_properties()
        self.answered[str(properties and properties.correlation_id)] = time()


async def _stored(stand: Stand, number: int) -> dict[str, float]:
    """Wait for `number` rows; returns the time of each row's commit, by session."""
    async with stand.database() as database:
        while await database.fetchval("SELECT count(*) FROM sessions") < number:
            await asyncio.sleep(0.05)
        return {row[0]: row[1] for row in await database.fetch(COMMITTED)}
