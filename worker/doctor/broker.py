"""The checks of the broker, from its name to what waits in its queues."""

from collections.abc import Callable
from pathlib import Path

from contracts.topology import Topology
from worker.broker.consumer import QUIET_REQUESTS, consumers_of
from worker.broker.examination import (
    Broker,
    QueueStates,
    examine_consumers,
    examine_dead_letters,
    examine_waiting,
    explain_refusal,
    log_in,
)
from worker.broker.permission_probe import examine_listeners, examine_user
from worker.doctor.network import examine_hosts, examine_ports
from worker.doctor.policies import examine_policies
from worker.doctor.runner import Ask, Check
from worker.doctor.settings import examine_transport, not_set
from worker.errors import BrokerUnavailable
from worker.finding import Finding, ok
from worker.settings.config import Settings
from worker.settings.endpoint import Destination, read_amqp_url

VARIABLE = "AMQP_URL"
EXAMPLE = "amqp://user:password@host:5672/"


class BrokerChecks:
    """What one round knows of the broker: where it is, the connection once there is one, its queues' states."""

    def __init__(self, settings: Settings, timeout: float, policies: Path | None = None) -> None:
        self._url = settings.amqp_url.get_secret_value()
        self._topology = Topology(settings.prefix)
        self._timeout = timeout
        self._policies = policies
        consumers = consumers_of([""], settings.rpc_concurrency, QUIET_REQUESTS)
        self._consumers_each = sum(1 for _ in consumers)
        self._to = Destination((), "", "", is_encrypted=False)
        self._broker: Broker | None = None
        self._states: QueueStates = {}

    @property
    def replicas(self) -> int:
        """How many workers there are, by their consumers of requests; 0 when that is not known."""
        state = self._states.get(self._topology.rpc_queue.name)
        return -(-state.consumers // self._consumers_each) if state else 0

    def checks(self) -> list[Check]:
        """Return the checks in the order in which one needs the other."""
        login, declared = ("broker.login",), ("broker.topology",)
        return [
            Check("settings.amqp_url", self._read_url, ("settings.values",)),
            Check("broker.host", self._find_host, ("settings.amqp_url",)),
            Check("broker.port", self._reach_port, ("broker.host",)),
            Check("broker.login", self._log_in, ("broker.port",)),
            Check("broker.version", lambda: self._connected().examine_version(), login),
            Check("broker.topology", lambda: self._connected().examine_topology(self._to.name), login),
            Check("broker.consumers", self._read_consumers, declared),
            Check("broker.waiting", self._judge(examine_waiting), declared),
            Check("broker.dead_letters", self._judge(examine_dead_letters), declared),
            *self._policy_checks(),
            Check("broker.alarms", lambda: self._connected().examine_alarms(self._to), login),
        ]

    def security_checks(self) -> list[Check]:
        """Return the checks of what the broker keeps this login from."""
        return [
            Check("security.user", self._examine_user, ("broker.login",)),
            Check("security.permissions", self._examine_permissions, ("broker.topology",)),
            Check("security.broker_tls", self._examine_listeners, ("broker.login",)),
        ]

    async def close(self) -> None:
        """Leave no connection open."""
        if self._broker is not None:
            await self._broker.close()

    async def _read_url(self) -> Finding:
        if not self._url:
            return not_set(VARIABLE, EXAMPLE)
        self._to = read_amqp_url(self._url)
        return examine_transport(self._to, VARIABLE)

    async def _find_host(self) -> Finding:
        return await examine_hosts(self._to, VARIABLE, self._timeout)

    async def _reach_port(self) -> Finding:
        return (await examine_ports(self._to, VARIABLE, self._timeout))[0]

    async def _log_in(self) -> Finding:
        try:
            self._broker = await log_in(self._url, self._topology, self._timeout)
        except BrokerUnavailable as error:
            return explain_refusal(error, self._to, self._topology)
        return ok(f"user {self._to.user}, virtual host {self._to.name}")

    async def _examine_user(self) -> Finding:
        return await examine_user(self._url, self._to, self._timeout)

    async def _examine_permissions(self) -> Finding:
        return await self._connected().examine_permissions(self._to)

    async def _examine_listeners(self) -> Finding:
        return await examine_listeners(self._to, self._timeout)

    def _policy_checks(self) -> list[Check]:
        if (path := self._policies) is None:
            return []

        async def examine() -> Finding:
            return examine_policies(path, self._topology, self._to.name)

        return [Check("broker.policies", examine, ("settings.amqp_url",))]

    async def _read_consumers(self) -> Finding:
        self._states = await self._connected().read_queues()
        return examine_consumers(self._states, self._topology)

    def _judge(self, examine: Callable[[QueueStates, Topology], Finding]) -> Ask:
        async def judge() -> Finding:
            return examine(self._states, self._topology)

        return judge

    def _connected(self) -> Broker:
        if self._broker is None:
            raise AssertionError("asked before the log-in")
        return self._broker
