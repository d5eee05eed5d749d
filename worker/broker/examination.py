"""Examines the broker for the doctor: who it lets in, what is declared, who consumes, what waits."""

import shlex
import ssl
from contextlib import suppress
from typing import Final
from uuid import uuid4

from aiormq.exceptions import (
    AMQPConnectionError,
    AuthenticationError,
    ChannelAccessRefused,
    ConnectionNotAllowed,
    ProbableAuthenticationError,
)

from contracts.access import EVENTS_VHOST, RPC_VHOST, USERS, WORKER
from contracts.topology import REPLY_QUEUE_PREFIX, Queue, Topology
from worker.broker.connection import (
    FilteredConnection,
    broker_calls,
    close_quietly,
    open_channel,
    open_connection,
)
from worker.broker.permission_probe import confine, examine_permissions
from worker.broker.queue_state import QueueState, look_at_queue
from worker.broker.topology import Difference, find_differences, list_differences
from worker.broker.version import RABBITMQ, version_of
from worker.errors import BrokerUnavailable
from worker.finding import Finding, ok, warning, wrong
from worker.settings.certificates import reason_of_tls
from worker.settings.endpoint import Destination

NAME: Final = "session-store doctor"
OLDEST: Final = (3, 10)
TURN_SECONDS: Final = 1.0
MANY: Final = 10_000
CONTROL: Final = "rabbitmqctl"
OWN_USERS: Final = tuple(user.name for user in USERS)

QueueStates = dict[str, QueueState]


class Broker:
    """A connection to the broker that declares and consumes nothing; every call ends within `timeout` seconds."""

    def __init__(self, connection: FilteredConnection, topology: Topology, timeout: float) -> None:
        self._connection = connection
        self._topology = topology
        self._timeout = timeout

    async def close(self) -> None:
        """Leave the connection closed."""
        await close_quietly(self._connection)

    async def examine_version(self) -> Finding:
        """Find a broker that is older than this program needs."""
        found = version_of(self._connection)
        if found.product == RABBITMQ and found.numbers < OLDEST:
            return wrong(f"RabbitMQ {found.version}", "upgrade to RabbitMQ 3.10 or later")
        return ok(f"{found.product} {found.version}")

    async def examine_topology(self, vhost: str) -> Finding:
        """Find exchanges and queues that are missing or were declared differently."""
        differences = await find_differences(self._connection, self._topology.declared)
        if not differences:
            return ok("every exchange and queue is there as declared")
        if set(differences.values()) == {Difference.EARLIER}:
            return warning(list_differences(differences), "session-store topology")
        different = [name for name, found in differences.items() if found is Difference.DIFFERENT]
        return wrong(list_differences(differences), self._remedy(different, vhost))

    async def examine_alarms(self, to: Destination) -> Finding:
        """Find a broker that is short of memory or disk: it blocks whoever publishes.

        It says so only to one who does, so a message is published that no queue is bound for.
        """
        channel = await open_channel(self._connection, confirms=True, timeout=self._timeout)
        nobody = f"{REPLY_QUEUE_PREFIX}{uuid4().hex}"
        try:
            with broker_calls():
                await channel.basic_publish(b"", routing_key=nobody, mandatory=False, timeout=self._timeout)
        except BrokerUnavailable as error:
            if not isinstance(error.__cause__, ChannelAccessRefused):
                raise
            return wrong(
                "the user may not publish to the default exchange, as replies are", permit(to, self._topology)
            )
        with suppress(BrokerUnavailable):  # whom it blocks it does not answer any more
            await open_channel(self._connection, confirms=False, timeout=TURN_SECONDS)
        if self._connection.blocked:
            mend = "rabbitmq-diagnostics alarms  # says which: free disk space, or raise vm_memory_high_watermark"
            return wrong("it blocks whoever publishes: it is short of memory or disk", mend)
        return ok("it takes what is published")

    async def examine_permissions(self, to: Destination) -> Finding:
        """Find what the user may do and a worker need not."""
        return await examine_permissions(self._connection, self._topology, to, self._timeout)

    async def read_queues(self) -> QueueStates:
        """Return what the broker says of each queue, by name; raises BrokerUnavailable."""
        return {
            queue.name: await look_at_queue(self._connection, queue.name, self._timeout)
            for queue in self._topology.queues
        }

    def _remedy(self, different: list[str], vhost: str) -> str:
        queues = {queue.name for queue in self._topology.queues}
        deletions = [
            f"{CONTROL} delete_queue --vhost {shlex.quote(vhost)} {shlex.quote(name)}"
            if name in queues
            else f"rabbitmqadmin --vhost={shlex.quote(vhost)} delete exchange name={shlex.quote(name)}"
            for name in different
        ]
        note = "  # deletes what waits in it" if queues.intersection(different) else ""
        return " && ".join([*deletions, "session-store topology"]) + note


async def log_in(url: str, topology: Topology, timeout: float) -> Broker:
    """Return the broker; raises BrokerUnavailable, which `explain_refusal` explains."""
    return Broker(await open_connection(url, NAME, timeout), topology, timeout)


def is_refusal(error: Exception) -> bool:
    """Whether an error of the client is the broker's refusal for want of a permission."""
    return isinstance(error.__cause__, ChannelAccessRefused)


def permit(to: Destination, topology: Topology) -> str:
    """Return what lets the doctor in as a worker.

    A user of the installation is given what it needs and no more; another, as on a first try, everything.
    """
    if to.user == WORKER:
        return confine(to, topology)
    if to.user in OWN_USERS:
        return f"{to.user} is for something else: {WORKER} in AMQP_URL"
    return f"{CONTROL} set_permissions --vhost {shlex.quote(to.name)} {shlex.quote(to.user)} '.*' '.*' '.*'"


def _let_in(to: Destination, topology: Topology, refusal: str) -> str:
    user, vhost = shlex.quote(to.user), shlex.quote(to.name)
    if "limit" in refusal:
        return f"{CONTROL} list_vhost_limits --vhost {vhost}; {CONTROL} list_user_limits --user {user}"
    if to.user in OWN_USERS and to.name in (EVENTS_VHOST, RPC_VHOST):
        return f"{CONTROL} import_definitions deploy/rabbitmq/installation.json"
    if to.user in OWN_USERS:
        return f"the virtual host {EVENTS_VHOST}, or that of the callers, {RPC_VHOST}, in AMQP_URL"
    return f"{CONTROL} add_vhost {vhost}; {permit(to, topology)}"


def explain_refusal(error: BrokerUnavailable, to: Destination, topology: Topology) -> Finding:
    """Return why there is no connection, and what mends it."""
    user = shlex.quote(to.user)
    match error.__cause__:
        case ProbableAuthenticationError() | AuthenticationError():
            local = " (guest may log in from the broker's own host alone)" if to.user == "guest" else ""
            return wrong(
                f"login refused for user {to.user}{local}",
                f"set the right password in AMQP_URL, or a new one: {CONTROL} change_password {user}",
            )
        case ConnectionNotAllowed() as refusal:
            return wrong(
                f"no entry for user {to.user} into virtual host {to.name}: {refusal}",
                _let_in(to, topology, str(refusal)),
            )
        case ssl.SSLError() as failure:
            return _explain_tls(failure)
        case AMQPConnectionError() | ConnectionError() | EOFError():
            scheme = "amqp:// and port 5672" if to.is_encrypted else "amqps:// and port 5671"
            return wrong(
                "what listens there ends the connection: it speaks no AMQP, or not like this",
                f"{scheme} in AMQP_URL, where that is what the broker has",
            )
        case TimeoutError():
            return wrong("the port is open and nobody answers", "look into the broker's log, and restart it")
    return wrong(str(error), "look into the broker's log")


def _explain_tls(failure: ssl.SSLError) -> Finding:
    if failure.reason == "WRONG_VERSION_NUMBER":
        mend = "amqp:// in AMQP_URL, or the broker's TLS port, mostly 5671"
        return wrong("what listens there has no TLS", mend)
    return wrong(
        reason_of_tls(failure),
        "name the authority of the broker's certificate in AMQP_URL: ?cafile=FILE",
    )


def examine_consumers(states: QueueStates, topology: Topology) -> Finding:
    """Find queues that nobody takes from."""
    consumed = (topology.write_queue, topology.delete_queue, topology.rpc_queue)
    if idle := [queue.name for queue in consumed if not states[queue.name].consumers]:
        return wrong(f"nobody consumes {', '.join(idle)}", "session-store run")
    return ok(_per_queue(consumed, {name: state.consumers for name, state in states.items()}))


def examine_waiting(states: QueueStates, topology: Topology) -> Finding:
    """Find more messages waiting than replicas soon take."""
    queues = (topology.write_queue, topology.delete_queue, topology.rpc_queue)
    said = _per_queue(queues, {name: state.messages for name, state in states.items()})
    if any(states[queue.name].messages > MANY for queue in queues):
        return warning(
            said, "session-store run  # one replica more; session-store top shows whether they keep up"
        )
    return ok(said)


def examine_dead_letters(states: QueueStates, topology: Topology) -> Finding:
    """Find refused events that wait for a person."""
    count = states[topology.dead_queue.name].messages
    if count:
        return warning(f"{count:,} in {topology.dead_queue.name}", "session-store dead list")
    return ok("none")


def _per_queue(queues: tuple[Queue, ...], numbers: dict[str, int]) -> str:
    return ", ".join(f"{queue.name} {numbers[queue.name]:,}" for queue in queues)
