"""Serves one session to the broker after the other."""

from collections.abc import Callable

from worker.broker.session import BrokerSession
from worker.errors import BrokerUnavailable
from worker.observability.health import ServingState
from worker.serving.context import ServingContext
from worker.serving.served_session import open_served_session


class Serving:
    """Knows the session to the broker that is served now, if there is one."""

    def __init__(self, context: ServingContext) -> None:
        self._context = context
        self._current: Callable[[], ServingState] = ServingState

    def state(self) -> ServingState:
        """Return how the current session is served; the defaults without one."""
        return self._current()

    async def serve(self, broker: BrokerSession) -> None:
        """Serve until the session is lost, or everything that was delivered is settled after a stop."""
        try:
            served = await open_served_session(broker, self._context)
        except BrokerUnavailable as error:
            broker.mark_lost(str(error))
            return
        self._current = served.state
        try:
            await served.run()
        finally:
            self._current = ServingState
