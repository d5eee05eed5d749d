"""Reads the facts about the broker that the doctor judges. It declares and consumes nothing."""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from uuid import uuid4

from aiormq.exceptions import (
    AMQPConnectionError,
    AuthenticationError,
    ConnectionNotAllowed,
    ProbableAuthenticationError,
)

from contracts.topology import REPLY_QUEUE_PREFIX, Topology
from worker.broker.connection import (
    FilteredConnection,
    broker_calls,
    close_quietly,
    is_access_refused,
    open_channel,
    open_connection,
)
from worker.broker.permission_probe import NAME, allowed_actions
from worker.broker.release import Release, release_of
from worker.broker.topology import Difference, QueueState, find_differences, read_certain_queue_state
from worker.errors import BrokerUnavailable
from worker.settings.certificates import reason_of_tls

BLOCKED_SECONDS: Final = 1.0

QueueStates = dict[str, QueueState]


class LoginProblem(Enum):
    """Why a login failed."""

    CREDENTIALS = auto()
    VIRTUAL_HOST = auto()
    NO_TLS = auto()
    TLS = auto()
    CLOSED = auto()
    TIMEOUT = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class LoginFailure:
    """A login that failed; `detail` is the broker's answer, or why TLS failed."""

    problem: LoginProblem
    detail: str


class Publishing(Enum):
    """The broker's reaction to a message to the default exchange."""

    ACCEPTED = auto()
    FORBIDDEN = auto()
    BLOCKED = auto()


class ExaminedBroker:
    """A connection for reading facts; every method ends within `timeout` seconds and raises BrokerUnavailable."""

    def __init__(self, connection: FilteredConnection, topology: Topology, timeout: float) -> None:
        self._connection = connection
        self._topology = topology
        self._timeout = timeout

    async def close(self) -> None:
        """Leave the connection closed."""
        await close_quietly(self._connection)

    def release(self) -> Release:
        """Return which program answers."""
        return release_of(self._connection)

    async def differences(self) -> dict[str, Difference]:
        """Return the exchanges and queues that are missing or declared differently, by name."""
        return await find_differences(self._connection, self._topology.declared)

    async def queue_states(self) -> QueueStates:
        """Return the state of each queue, by name."""
        return {
            queue.name: await read_certain_queue_state(self._connection, queue.name, self._timeout)
            for queue in self._topology.queues
        }

    async def try_publishing(self) -> Publishing:
        """Publish a message that reaches no queue; the broker tells only a publisher of an alarm."""
        channel = await open_channel(self._connection, confirms=True, timeout=self._timeout)
        unbound = f"{REPLY_QUEUE_PREFIX}{uuid4().hex}"
        try:
            with broker_calls():
                await channel.basic_publish(b"", routing_key=unbound, mandatory=False, timeout=self._timeout)
        except BrokerUnavailable as error:
            if is_access_refused(error):
                return Publishing.FORBIDDEN
            raise
        with suppress(BrokerUnavailable):  # the broker answers nothing more on a connection that it blocks
            await open_channel(self._connection, confirms=False, timeout=BLOCKED_SECONDS)
        return Publishing.BLOCKED if self._connection.blocked else Publishing.ACCEPTED

    async def allowed_actions(self) -> list[str]:
        """Return the actions that this user may take and a worker does not need."""
        return await allowed_actions(self._connection, self._topology, self._timeout)


async def log_in(url: str, topology: Topology, timeout: float) -> ExaminedBroker:
    """Return the broker; raises BrokerUnavailable, which `login_failure` classifies."""
    return ExaminedBroker(await open_connection(url, NAME, timeout), topology, timeout)


def login_failure(failed: BrokerUnavailable) -> LoginFailure:
    """Return why `log_in` failed."""
    match error := failed.__cause__:
        case ProbableAuthenticationError() | AuthenticationError():
            return LoginFailure(LoginProblem.CREDENTIALS, str(error))
        case ConnectionNotAllowed():
            return LoginFailure(LoginProblem.VIRTUAL_HOST, str(error))
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER"):  # OpenSSL's word for an answer without TLS
            return LoginFailure(LoginProblem.NO_TLS, "")
        case ssl.SSLError():
            return LoginFailure(LoginProblem.TLS, reason_of_tls(error))
        case AMQPConnectionError() | ConnectionError() | EOFError():
            return LoginFailure(LoginProblem.CLOSED, str(failed))
        case TimeoutError():
            return LoginFailure(LoginProblem.TIMEOUT, "")
    return LoginFailure(LoginProblem.OTHER, str(failed))
