"""Stores the events of one session to the broker; while the database is away for long, the broker keeps them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from worker.errors import StorageUnavailable
from worker.ingest.settle import Settler
from worker.ingest.write_path import WritePath, apply_given_up
from worker.observability.health import ServingState
from worker.serving.context import ServingContext
from worker.serving.scope import SessionScope

log = structlog.get_logger()

PRIORITY_PREFETCH: Final = 32
PROBE_SECONDS: Final = 1.0


class EventStoring:
    """Runs one write path after the other: each ends when the database has been away for longer than the patience.

    A session that is lost during an outage of the database does not end the outage: in the next session events are
    consumed again only when the database takes those of the last one. Every attempt would count as a delivery.
    """

    def __init__(self, scope: SessionScope, context: ServingContext, settler: Settler) -> None:
        self._scope = scope
        self._context = context
        self._settler = settler
        self._newest: Callable[[], ServingState] = ServingState  # the state of the newest path
        self._paused = False

    def state(self) -> ServingState:
        """Return how storing goes: `paused`, `storing`, `in_flight` and `lag`."""
        return replace(self._newest(), paused=self._paused)

    async def run(self) -> None:
        """Return once the session is over."""
        context = self._context
        queues = (context.topology.write_queue.name, context.topology.delete_queue.name)
        writer, prefetch = context.storage.writer, context.settings.prefetch
        await self._wait_for_database()
        while intake := await self._scope.open_intake(queues, prefetch, PRIORITY_PREFETCH, by_bytes=True):
            path = WritePath(intake, writer, self._settler, context.limits, context.instruments)
            self._newest = path.state
            context.outage.events = await self._scope.run(intake, path.run())
            if not context.outage.events:
                self._scope.end(intake)
                return
            await self._wait_for_database()

    async def _wait_for_database(self) -> None:
        outage = self._context.outage
        if not outage.events:
            return
        self._paused = True
        log.error("consuming.paused", reason="the database is away")
        while not self._scope.is_over:
            try:
                await self._context.storage.ping_writer()
                await apply_given_up(self._context.storage.writer, outage.events)
            except StorageUnavailable:
                await self._scope.sleep(PROBE_SECONDS)
            else:
                outage.events = ()
                log.info("consuming.resumed")
                break
        self._paused = False
