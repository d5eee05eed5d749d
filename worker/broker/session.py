"""One session to the broker: it ends when its consuming or its publishing connection is lost."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from contracts.topology import Topology
from worker.broker.changes import ChangesChannel, open_changes
from worker.broker.connection import (
    FilteredConnection,
    close_quietly,
    connected,
    is_access_refused,
    open_channel,
    open_connection,
)
from worker.broker.intake import Intake
from worker.broker.publisher import Publisher
from worker.broker.release import Release, release_of
from worker.broker.replies import ReplyChannel, SignReply, no_signature
from worker.broker.silence import end_silent_connections
from worker.broker.topology import (
    Difference,
    QueueState,
    find_differences,
    list_differences,
    read_queue_state,
)
from worker.errors import BrokerUnavailable, TopologyError

PROBE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """How to reach the broker; the URL is read again for each connection, times are in seconds."""

    url: Callable[[], str] = field(repr=False)
    name: str
    timeout: float = 10.0
    sign: SignReply = no_signature


class TopologyMissing(BrokerUnavailable):
    """An exchange or a queue is missing, and may be declared soon."""


class BrokerSession:
    """A consuming and a publishing connection; `lost` is done, with the reason, once either has gone.

    They are two because a broker short of memory or disk blocks a connection that publishes, and
    acknowledging must continue all the same. Replies have a connection of their own, whose loss loses nothing else.
    """

    def __init__(
        self,
        consuming: FilteredConnection,
        publishing: FilteredConnection,
        replies: ReplyChannel,
        options: BrokerOptions,
    ) -> None:
        self._consuming = consuming
        self._publishing = publishing
        self.replies = replies
        self._options = options
        self._timeout = options.timeout
        self._intakes: set[Intake] = set()
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        for connection in (consuming, publishing):
            connection.close_callbacks.add(self._on_close)
        self._watch = asyncio.create_task(end_silent_connections(self._connections, self._probe))

    @property
    def blocked(self) -> bool:
        """Whether the broker takes nothing that we publish: it is short of memory or disk."""
        return self._publishing.blocked

    @property
    def release(self) -> Release:
        """Which broker this is."""
        return release_of(self._consuming)

    @property
    def open_intakes(self) -> frozenset[Intake]:
        """The intakes that are open."""
        return frozenset(intake for intake in self._intakes if intake.is_open)

    @property
    def consumed_queues(self) -> frozenset[str]:
        """The queues that open intakes consume."""
        return frozenset().union(*(intake.queues for intake in self.open_intakes))

    async def check(self, topology: Topology) -> None:
        """Raise TopologyError when something was declared differently, TopologyMissing when it is not there.

        Asked on the consuming connection, as `queue_state` is. The queue of requests is not checked: events do not
        need it, and RabbitMQ 4 takes half a minute to answer for a classic queue whose node is down.
        """
        differences = await find_differences(self._consuming, topology.exchanges)
        differences |= await find_differences(self._consuming, topology.event_queues)
        if differences:
            listed = list_differences(differences)
            if Difference.DIFFERENT in differences.values():
                raise TopologyError(f"{listed}; delete it or use another SESSION_STORE_PREFIX")
            raise TopologyMissing(f"{listed}; run: session-store topology")

    async def open_intake(
        self, queues: Sequence[str], prefetch: int, priority_prefetch: int = 0, *, by_bytes: bool = False
    ) -> Intake:
        """Return a started intake (`Intake.start`) on a channel of its own; raises BrokerUnavailable.

        An intake that could not be started in time leaves no consumer: its deliveries would never be received.
        """
        channel = await open_channel(self._consuming, confirms=False, timeout=self._timeout)
        intake = self._register(Intake(channel, self._consuming))
        try:
            await intake.start(queues, prefetch, self._timeout, priority_prefetch, by_bytes=by_bytes)
        except BrokerUnavailable:
            await intake.close()
            raise
        return intake

    def _register(self, intake: Intake) -> Intake:
        """Have the intake lost with the session; it is forgotten as soon as it is lost."""

        def mark_lost(lost: "asyncio.Future[str]") -> None:
            intake.mark_lost(lost.result())

        def forget(_: "asyncio.Future[str]") -> None:
            self._intakes.discard(intake)
            self.lost.remove_done_callback(mark_lost)

        self._intakes.add(intake)
        self.lost.add_done_callback(mark_lost)
        intake.lost.add_done_callback(forget)
        return intake

    async def open_publisher(self) -> Publisher:
        """Return a publisher on a channel of its own, whose loss is the session's; raises BrokerUnavailable."""
        reopen = partial(open_channel, self._publishing, confirms=True, timeout=self._timeout)
        return Publisher(await reopen(), reopen, lambda: self.mark_lost("the publishing channel was closed"))

    async def open_changes(self) -> ChangesChannel:
        """Return a channel for the changes feed, whose loss is the session's; raises BrokerUnavailable."""
        channel = await open_changes(self._publishing, self._timeout)
        channel.closing.add_done_callback(
            lambda _: self.mark_lost("the channel of the changes feed was closed")
        )
        return channel

    async def queue_state(self, queue: str) -> QueueState:
        """Return how many messages and consumers a queue has; raises BrokerUnavailable.

        Asked on the consuming connection: a broker that blocks the publishing one does not read requests there.
        Nothing is certain where the login may not ask: RabbitMQ 4.2.6 and 4.3.0 want the right to configure for it.
        """
        try:
            return await read_queue_state(self._consuming, queue, self._timeout)
        except BrokerUnavailable as error:
            if is_access_refused(error):
                return QueueState(0, 0, is_certain=False)
            raise

    def mark_lost(self, reason: str) -> None:
        """Declare the session lost."""
        if not self.lost.done():
            self.lost.set_result(reason)

    async def close(self) -> None:
        """Leave all connections closed; a broker that does not answer is abandoned after 3 s."""
        self._watch.cancel()
        self.mark_lost("closed")
        connections = (self._consuming, self._publishing)
        await asyncio.gather(self.replies.close(), *map(close_quietly, connections))

    def _connections(self) -> list[FilteredConnection]:
        every = (self._consuming, self._publishing, self.replies.connection)
        return [connection for connection in every if connection and not connection.is_closed]

    async def _probe(self) -> None:
        async with connected(self._options.url(), f"{self._options.name} probe", PROBE_SECONDS):
            pass

    def _on_close(self, _: object, error: BaseException | None = None) -> None:
        self.mark_lost(f"connection lost: {error}"[:200])


async def open_broker_session(options: BrokerOptions) -> BrokerSession:
    """Return a session with both connections open; raises BrokerUnavailable."""
    url = options.url()
    consuming = await open_connection(url, f"{options.name} consume", options.timeout)
    try:
        publishing = await open_connection(url, f"{options.name} publish", options.timeout)
    except BrokerUnavailable:
        await close_quietly(consuming)
        raise
    replies = ReplyChannel(options.url, f"{options.name} reply", options.timeout, options.sign)
    return BrokerSession(consuming, publishing, replies, options)
