"""The checks of the database, from its URL to its rows."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from worker.doctor.database.activity import check_statements, check_transactions, check_vacuum
from worker.doctor.database.adoption import check_adoption, check_times
from worker.doctor.database.login import explain_failure
from worker.doctor.database.replica import check_replica, check_replica_url
from worker.doctor.database.revisions import check_revisions
from worker.doctor.database.schema import (
    check_compression,
    check_indexes,
    check_partitions,
    check_rights,
    check_schema,
)
from worker.doctor.database.security import check_excess, check_guards, check_limits, check_role, check_tls
from worker.doctor.database.server import (
    check_clock,
    check_connections,
    check_durability,
    check_encoding,
    check_version,
    check_writes,
)
from worker.doctor.finding import Finding, error, ok
from worker.doctor.network import check_hosts, check_ports
from worker.doctor.runner import Check
from worker.doctor.settings import check_transport, not_set
from worker.errors import StorageUnavailable
from worker.settings.config import Settings
from worker.settings.endpoint import Destination
from worker.settings.postgres.address import read_database_address
from worker.store.examination.database import ExaminedDatabase
from worker.store.examination.login import log_in

VARIABLE = "DATABASE_URL"
EXAMPLE = "postgresql://user:password@host:5432/database"

DatabaseCheck = Callable[[ExaminedDatabase], Awaitable[Finding]]


class DatabaseChecks:
    """The checks of one run, and their findings: the database's place, and the connection once there is one."""

    def __init__(self, settings: Settings, timeout: float, long_after: float) -> None:
        self._settings = settings
        self._timeout = timeout
        self._long_after = long_after
        self._to = Destination((), "", "", is_encrypted=False)
        self._own_address = ""
        self._database: ExaminedDatabase | None = None

    def checks(self) -> list[Check]:
        """Return the checks, each after those that it needs."""
        return [
            Check("settings.database_url", self._check_url, ("settings.values",)),
            Check("database.host", self._check_host, ("settings.database_url",)),
            Check("database.port", self._check_port, ("database.host",)),
            Check("database.login", self._log_in, ("database.port",)),
            *self._on_connection(self._connection_checks()),
            *self._replica_checks(),
        ]

    def security_checks(self) -> list[Check]:
        """Return the checks of the rights of this login at the database."""
        return self._on_connection(
            {
                "security.role": (check_role, "database.login"),
                "security.rights": (check_excess, "security.role"),
                "security.limits": (check_limits, "database.login"),
                "security.guards": (check_guards, "database.schema"),
                "security.database_tls": (check_tls, "database.login"),
            }
        )

    async def check_connections(self, replicas: int) -> Finding:
        """Find too few connections for the pools of all replicas."""
        size = self._settings.pool_size
        return await self._ask(partial(check_connections, pool_size=size, replicas=replicas))

    async def close(self) -> None:
        """Leave no connection open."""
        if self._database is not None:
            await self._database.close()

    def _connection_checks(self) -> dict[str, tuple[DatabaseCheck, str]]:
        return {
            "database.version": (check_version, "database.login"),
            "database.encoding": (check_encoding, "database.login"),
            "database.clock": (check_clock, "database.login"),
            "database.writes": (check_writes, "database.login"),
            "database.durability": (check_durability, "database.login"),
            "database.rights": (check_rights, "database.login"),
            "database.schema": (check_schema, "database.rights"),
            "database.revisions": (
                partial(check_revisions, lead_seconds=self._settings.revision_lead_s),
                "database.schema",
            ),
            "database.indexes": (check_indexes, "database.schema"),
            "database.partitions": (check_partitions, "database.schema"),
            "database.adoption": (check_adoption, "database.schema"),
            "database.times": (check_times, "database.schema"),
            "database.compression": (check_compression, "database.schema"),
            "database.transactions": (
                partial(check_transactions, long_after=self._long_after),
                "database.login",
            ),
            "database.statements": (check_statements, "database.login"),
            "database.vacuum": (check_vacuum, "database.schema"),
        }

    def _on_connection(self, checks: Mapping[str, tuple[DatabaseCheck, str]]) -> list[Check]:
        return [Check(name, partial(self._ask, check), (needed,)) for name, (check, needed) in checks.items()]

    def _replica_checks(self) -> list[Check]:
        url = self._settings.read_database_url.get_secret_value()
        if not url:
            return []
        named = "settings.replica_url"
        return [
            Check(named, partial(check_replica_url, url), ("settings.values",)),
            Check("database.replica", partial(check_replica, url, self._timeout), (named,)),
        ]

    async def _check_url(self) -> Finding:
        url = self._settings.database_url.get_secret_value()
        if not url:
            return not_set(VARIABLE, EXAMPLE)
        try:
            address = read_database_address(url)
            address.tls.context()
        except ValueError as fault:
            return error(str(fault), f"export {VARIABLE}={EXAMPLE}")
        self._to = address.destination
        return check_transport(self._to, VARIABLE, address.notices)

    async def _check_host(self) -> Finding:
        return await check_hosts(self._to, VARIABLE, self._timeout)

    async def _check_port(self) -> Finding:
        finding, self._own_address = await check_ports(self._to, VARIABLE, self._timeout)
        return finding

    async def _log_in(self) -> Finding:
        try:
            self._database = await log_in(self._settings.database_url.get_secret_value(), self._timeout)
        except StorageUnavailable as failed:
            return explain_failure(failed, self._to, self._own_address)
        return ok(f"role {self._to.user}, database {self._to.name}")

    async def _ask(self, check: DatabaseCheck) -> Finding:
        if self._database is None:
            raise AssertionError("asked before the login")
        return await check(self._database)
