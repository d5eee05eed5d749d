"""Opens a session to the broker, has it served, and opens the next one when it is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

import structlog

from contracts.topology import Topology
from worker.broker.examination import LoginProblem, login_failure
from worker.broker.session import BrokerOptions, BrokerSession, TopologyMissing, open_broker_session
from worker.errors import BrokerUnavailable, TopologyError
from worker.retry import Backoff, sleep_unless_stopped

log = structlog.get_logger()

MIN_SESSION_SECONDS: Final = (
    1.0  # a session that is lost sooner is a failure: the broker may refuse a part of it
)

Serve = Callable[[BrokerSession], Awaitable[None]]


class BrokerSupervisor:
    """The application's own supervisor over plain connections.

    Every session begins with new connections, channels and consumer tags; nothing is restored.
    """

    def __init__(self, options: BrokerOptions, topology: Topology, startup_timeout: float) -> None:
        self._options = options
        self._topology = topology
        self._startup_timeout = startup_timeout
        self._backoff = Backoff()
        self._served = False
        self.reconnects = 0
        self.down_reason: str | None = "not connected yet"
        self.login_refused = False

    async def run(self, serve: Serve, stop: asyncio.Event) -> None:
        """Serve session after session until `stop` is set.

        Raises TopologyError when the broker's side differs (or, before the first session was served, is
        missing), BrokerUnavailable when no session could be opened within the start-up timeout.
        """
        started = monotonic()
        while not stop.is_set():
            try:
                await self._run_session(serve)
            except TopologyMissing as error:
                if not self._served:
                    raise TopologyError(str(error)) from error
                self._note(error)
            except BrokerUnavailable as error:
                if not self._served and monotonic() - started >= self._startup_timeout:
                    raise
                self._note(error)
            if not stop.is_set():
                self.reconnects += 1
                await sleep_unless_stopped(stop, self._backoff.next())

    async def _run_session(self, serve: Serve) -> None:
        broker = await open_broker_session(self._options)
        try:
            await broker.check(self._topology)
            connected = monotonic()
            self._served, self.down_reason, self.login_refused = True, None, False
            log.info("broker.connected", reconnects=self.reconnects)
            await serve(broker)
            if monotonic() - connected >= MIN_SESSION_SECONDS:
                self._backoff.reset()
            if broker.lost.done():
                log.warning("broker.lost", reason=broker.lost.result(), failures=self._backoff.failures + 1)
        finally:
            self.down_reason = broker.lost.result() if broker.lost.done() else "closing"
            await broker.close()

    def _note(self, error: BrokerUnavailable) -> None:
        self.down_reason = str(error)
        self.login_refused = login_failure(error).problem is LoginProblem.CREDENTIALS
        log.warning("broker.unavailable", reason=str(error), failures=self._backoff.failures + 1)
