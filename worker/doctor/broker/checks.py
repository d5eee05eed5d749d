"""The checks of the broker, from its URL to its queues."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from contracts.topology import Topology
from worker.broker.consumer import PRIORITY_REQUESTS, consumers_of
from worker.broker.examination import ExaminedBroker, QueueStates, log_in
from worker.doctor.broker.login import explain_failure
from worker.doctor.broker.policies import check_policies
from worker.doctor.broker.security import check_listeners, check_permissions, check_user
from worker.doctor.broker.server import (
    check_alarms,
    check_consumers,
    check_dead_letters,
    check_topology,
    check_version,
    check_waiting,
)
from worker.doctor.finding import Finding, error, ok
from worker.doctor.network import check_hosts, check_ports
from worker.doctor.runner import Check
from worker.doctor.settings import check_transport, not_set
from worker.errors import BrokerUnavailable
from worker.settings.broker_address import BrokerAddress, read_broker_address
from worker.settings.config import Settings
from worker.settings.endpoint import Destination

VARIABLE = "AMQP_URL"
EXAMPLE = "amqp://user:password@host:5672/"

BrokerCheck = Callable[[ExaminedBroker], Awaitable[Finding]]
QueueCheck = Callable[[QueueStates, Topology], Finding]


class BrokerChecks:
    """The checks of one run, and their findings: the broker's place, the connection, the states of its queues."""

    def __init__(self, settings: Settings, timeout: float, policies: Path | None = None) -> None:
        self._url = settings.amqp_url.get_secret_value()
        self._topology = Topology(settings.prefix)
        self._timeout = timeout
        self._policies = policies
        consumers = consumers_of([""], settings.rpc_concurrency, PRIORITY_REQUESTS)
        self._consumers_each = sum(1 for _ in consumers)
        self._to = Destination((), "", "", is_encrypted=False)
        self._address: BrokerAddress | None = None
        self._broker: ExaminedBroker | None = None
        self._states: QueueStates = {}

    @property
    def replicas(self) -> int:
        """How many workers there are, by their consumers of requests; 0 when that is not known."""
        state = self._states.get(self._topology.rpc_queue.name)
        return -(-state.consumers // self._consumers_each) if state else 0

    def checks(self) -> list[Check]:
        """Return the checks, each after those that it needs."""
        login, declared = ("broker.login",), ("broker.topology",)
        return [
            Check("settings.amqp_url", self._check_url, ("settings.values",)),
            Check("broker.host", self._check_host, ("settings.amqp_url",)),
            Check("broker.port", self._check_port, ("broker.host",)),
            Check("broker.login", self._log_in, ("broker.port",)),
            Check("broker.version", partial(self._ask, check_version), login),
            Check("broker.topology", self._check_topology, login),
            Check("broker.consumers", partial(self._judge, check_consumers), declared),
            Check("broker.waiting", partial(self._judge, check_waiting), declared),
            Check("broker.dead_letters", partial(self._judge, check_dead_letters), declared),
            *self._policy_checks(),
            Check("broker.alarms", self._check_alarms, login),
        ]

    def security_checks(self) -> list[Check]:
        """Return the checks of the rights of this login at the broker."""
        return [
            Check("security.user", self._check_user, ("broker.login",)),
            Check("security.permissions", self._check_permissions, ("broker.topology",)),
            Check("security.broker_tls", self._check_listeners, ("broker.login",)),
        ]

    async def close(self) -> None:
        """Leave no connection open."""
        if self._broker is not None:
            await self._broker.close()

    async def _check_url(self) -> Finding:
        if not self._url:
            return not_set(VARIABLE, EXAMPLE)
        try:
            self._address = read_broker_address(self._url)
            self._address.context()
        except ValueError as fault:
            return error(str(fault), f"export {VARIABLE}={EXAMPLE}")
        self._to = self._address.destination
        return check_transport(self._to, VARIABLE, self._address.notices)

    async def _check_host(self) -> Finding:
        return await check_hosts(self._to, VARIABLE, self._timeout)

    async def _check_port(self) -> Finding:
        return (await check_ports(self._to, VARIABLE, self._timeout))[0]

    async def _log_in(self) -> Finding:
        try:
            self._broker = await log_in(self._url, self._topology, self._timeout)
        except BrokerUnavailable as failed:
            return explain_failure(failed, self._to, self._topology)
        return ok(f"user {self._to.user}, virtual host {self._to.name}")

    async def _check_topology(self) -> Finding:
        return await self._ask(partial(check_topology, topology=self._topology, vhost=self._to.name))

    def _policy_checks(self) -> list[Check]:
        if (path := self._policies) is None:
            return []

        async def check() -> Finding:
            return check_policies(path, self._topology, self._to.name)

        return [Check("broker.policies", check, ("settings.amqp_url",))]

    async def _check_alarms(self) -> Finding:
        return await self._ask(partial(check_alarms, topology=self._topology, to=self._to))

    async def _check_permissions(self) -> Finding:
        return await self._ask(partial(check_permissions, topology=self._topology, to=self._to))

    async def _check_user(self) -> Finding:
        if self._address is None:
            raise AssertionError("asked before the URL was read")
        return await check_user(self._address, self._timeout)

    async def _check_listeners(self) -> Finding:
        return await check_listeners(self._to, self._timeout)

    async def _judge(self, check: QueueCheck) -> Finding:
        if not self._states:
            self._states = await self._connected().queue_states()
        return check(self._states, self._topology)

    async def _ask(self, check: BrokerCheck) -> Finding:
        return await check(self._connected())

    def _connected(self) -> ExaminedBroker:
        if self._broker is None:
            raise AssertionError("asked before the login")
        return self._broker
