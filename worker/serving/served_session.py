"""One session to the broker and all that is done with it: events, erasures, requests, and a watch over the queues."""

import asyncio
from dataclasses import replace
from functools import partial

from worker.broker.intake import Intake
from worker.broker.publisher import Publisher
from worker.broker.session import BrokerSession
from worker.ingest.erase_path import ErasePath, Removers
from worker.ingest.erasing import Eraser
from worker.ingest.feed import Feed
from worker.ingest.settle import Settler
from worker.observability.health import ServingState
from worker.rpc.answers import Answers
from worker.rpc.dispatch import Dispatcher
from worker.rpc.health_check import HealthCheck
from worker.rpc.server import RequestPolicy, RpcServer
from worker.serving.context import ServingContext
from worker.serving.event_storing import EventStoring
from worker.serving.queue_watch import QueueWatch
from worker.serving.request_serving import RequestServing
from worker.serving.scope import SessionScope


class ServedSession:
    """Stores events, erases players and answers requests with one session to the broker."""

    def __init__(
        self, broker: BrokerSession, context: ServingContext, publisher: Publisher, feed: Feed | None
    ) -> None:
        self._scope = SessionScope(broker, context.stop)
        self._context = context
        self._feed = feed
        self._settler = Settler(context.topology, publisher, broker.replies, context.instruments, feed)
        self._storing = EventStoring(self._scope, context, self._settler)
        self._requests = RequestServing(
            self._scope,
            context.topology,
            context.settings.rpc_concurrency,
            self._rpc_server,
            context.instruments.metrics,
        )
        self._watch = QueueWatch(self._scope, context.topology, context.instruments.metrics)

    def state(self) -> ServingState:
        """Return how the session is served now."""
        broker, topology = self._scope.broker, self._context.topology
        return replace(
            self._storing.state(),
            attached={topology.write_queue.name, topology.rpc_queue.name} <= broker.consumed_queues,
            blocked=broker.blocked,
            changes=self._feed.trouble if self._feed else None,
        )

    async def run(self) -> None:
        """Return once the session is lost, or everything that was delivered is settled after a stop."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._requests.run())
            tasks.create_task(self._storing.run())
            tasks.create_task(self._erase_players())
            tasks.create_task(self._watch.run())

    async def _erase_players(self) -> None:
        context = self._context
        if intake := await self._scope.open_intake((context.topology.erase_queue.name,), prefetch=1):
            announce = partial(self._feed.announce_removals, intake=intake) if self._feed else None
            eraser = Eraser(context.storage.erasures, context.storage.writer, announce)
            removers = Removers(eraser, context.remove_dead_letters)
            path = ErasePath(intake, removers, self._settler, context.limits, context.instruments.metrics)
            await self._scope.run(intake, path.run(), hold=False)
            self._scope.end(intake)

    def _rpc_server(self, intake: Intake) -> RpcServer:
        context, instruments = self._context, self._context.instruments
        health_check = HealthCheck(context.storage, self._storing.state)
        answers = Answers(context.storage.reader, health_check, instruments.traces)
        dispatcher = Dispatcher(answers, instruments.metrics.count_request, instruments.traces)
        policy = RequestPolicy(context.topology, context.verifier, context.settings.statement_timeout_s)
        return RpcServer(intake, self._scope.broker.replies, dispatcher, policy, instruments)


async def open_served_session(broker: BrokerSession, context: ServingContext) -> ServedSession:
    """Return a session with its publishing channels open; raises BrokerUnavailable."""
    publisher, feed = await broker.open_publisher(), None
    if context.settings.changes_feed:
        channel = await broker.open_changes()
        feed = Feed(context.topology, channel, context.instruments.metrics, context.verifier)
    return ServedSession(broker, context, publisher, feed)
