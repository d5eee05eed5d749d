"""Keeps a session to the broker: opens it, serves it, and opens the next when it is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog

from contracts.topology import Topology
from worker.backoff import Backoff
from worker.broker.session import BrokerOptions, BrokerSession, TopologyMissing, open_session
from worker.errors import BrokerUnavailable, TopologyError

log = structlog.get_logger()

LASTING_SECONDS = 1.0  # a session that is lost sooner is a failure too: what it needs may be refused

Serve = Callable[[BrokerSession], Awaitable[None]]


class BrokerSupervisor:
    """The application's own supervisor over plain connections.

    Every life begins with new connections, channels and consumer tags; nothing is restored.
    """

    def __init__(self, options: BrokerOptions, topology: Topology, startup_timeout: float) -> None:
        self._options = options
        self._topology = topology
        self._startup_timeout = startup_timeout
        self._backoff = Backoff()
        self._served = False
        self.reconnects = 0
        self.down_reason: str | None = "not connected yet"

    async def keep(self, serve: Serve, stop: asyncio.Event) -> None:
        """Serve session after session until `stop` is set.

        Raises TopologyError when the broker's side differs (or, before the first session was served, is
        missing), BrokerUnavailable when no session could be opened within the start-up timeout.
        """
        started = monotonic()
        while not stop.is_set():
            try:
                await self._live_once(serve)
            except TopologyMissing as error:
                if not self._served:
                    raise TopologyError(str(error)) from error
                self._note(error)
            except BrokerUnavailable as error:
                if not self._served and monotonic() - started >= self._startup_timeout:
                    raise
                self._note(error)
            await self._pause(stop)

    async def _live_once(self, serve: Serve) -> None:
        session = await open_session(self._options)
        try:
            await session.check(self._topology)
            connected = monotonic()
            self._served, self.down_reason = True, None
            log.info("broker.connected", reconnects=self.reconnects)
            await serve(session)
            if monotonic() - connected >= LASTING_SECONDS:
                self._backoff.reset()
            if session.lost.done():
                log.warning("broker.lost", reason=session.lost.result(), failures=self._backoff.failures + 1)
        finally:
            self.down_reason = session.lost.result() if session.lost.done() else "closing"
            await session.close()

    def _note(self, error: BrokerUnavailable) -> None:
        self.down_reason = str(error)
        log.warning("broker.unavailable", reason=str(error), failures=self._backoff.failures + 1)

    async def _pause(self, stop: asyncio.Event) -> None:
        if stop.is_set():
            return
        self.reconnects += 1
        try:
            async with asyncio.timeout(self._backoff.next()):
                await stop.wait()
        except TimeoutError:
            return
