"""The checks of the database, from its name to its rows."""

from functools import partial

from worker.doctor.network import examine_hosts, examine_ports
from worker.doctor.runner import Check
from worker.doctor.settings import examine_transport, not_set
from worker.finding import Finding, ok, wrong
from worker.settings.config import Settings
from worker.settings.endpoint import Destination, read_database_url
from worker.store.examination.activity import examine_statements, examine_transactions, examine_vacuum
from worker.store.examination.login import Database, Examine, explain_refusal, log_in
from worker.store.examination.partitions import examine_partitions
from worker.store.examination.replica import examine_replica
from worker.store.examination.schema import examine_indexes, examine_rights, examine_schema
from worker.store.examination.security import (
    examine_excess,
    examine_guards,
    examine_limits,
    examine_role,
    examine_tls,
)
from worker.store.examination.server import (
    examine_clock,
    examine_connections,
    examine_durability,
    examine_version,
    examine_writes,
)

VARIABLE = "DATABASE_URL"
EXAMPLE = "postgresql://user:password@host:5432/database"


class DatabaseChecks:
    """What one round knows of the database: where it is, and the connection once there is one."""

    def __init__(self, settings: Settings, timeout: float, long_after: float) -> None:
        self._settings = settings
        self._url = settings.database_url.get_secret_value()
        self._replica_url = settings.read_database_url.get_secret_value()
        self._timeout = timeout
        self._long_after = long_after
        self._to = Destination((), "", "", is_encrypted=False)
        self._own_address = ""
        self._database: Database | None = None

    def checks(self) -> list[Check]:
        """Return the checks in the order in which one needs the other."""
        examinations: dict[str, tuple[Examine, str]] = {
            "version": (examine_version, "login"),
            "clock": (examine_clock, "login"),
            "writes": (examine_writes, "login"),
            "durability": (examine_durability, "login"),
            "rights": (examine_rights, "login"),
            "schema": (examine_schema, "rights"),
            "indexes": (examine_indexes, "schema"),
            "partitions": (examine_partitions, "schema"),
            "transactions": (partial(examine_transactions, long_after=self._long_after), "login"),
            "statements": (examine_statements, "login"),
            "vacuum": (examine_vacuum, "schema"),
        }
        return [
            Check("settings.database_url", self._read_url, ("settings.values",)),
            Check("database.host", self._find_host, ("settings.database_url",)),
            Check("database.port", self._reach_port, ("database.host",)),
            Check("database.login", self._log_in, ("settings.database_url", "database.port")),
            *(
                Check(f"database.{name}", partial(self._ask, examine), (f"database.{needed}",))
                for name, (examine, needed) in examinations.items()
            ),
            *(
                [Check("database.replica", self._ask_replica, ("settings.values",))]
                if self._replica_url
                else []
            ),
        ]

    def security_checks(self) -> list[Check]:
        """Return the checks of what the database keeps this login from."""
        examinations: dict[str, tuple[Examine, str]] = {
            "role": (examine_role, "database.login"),
            "rights": (examine_excess, "security.role"),
            "limits": (examine_limits, "database.login"),
            "guards": (examine_guards, "database.schema"),
            "database_tls": (examine_tls, "database.login"),
        }
        return [
            Check(f"security.{name}", partial(self._ask, examine), (needed,))
            for name, (examine, needed) in examinations.items()
        ]

    async def examine_connections(self, replicas: int) -> Finding:
        """Find too few connections for the pools of all replicas."""
        size = self._settings.pool_size
        return await self._ask(lambda connection: examine_connections(connection, size, replicas))

    async def close(self) -> None:
        """Leave no connection open."""
        if self._database is not None:
            await self._database.close()

    async def _read_url(self) -> Finding:
        if not self._url:
            return not_set(VARIABLE, EXAMPLE)
        try:
            self._to = read_database_url(self._url)
        except ValueError:  # its text may quote the URL
            return wrong("cannot be read", f"export {VARIABLE}={EXAMPLE}")
        return examine_transport(self._to, VARIABLE)

    async def _find_host(self) -> Finding:
        return await examine_hosts(self._to, VARIABLE, self._timeout)

    async def _reach_port(self) -> Finding:
        finding, self._own_address = await examine_ports(self._to, VARIABLE, self._timeout)
        return finding

    async def _log_in(self) -> Finding:
        try:
            self._database = await log_in(self._url, self._timeout)
        except TimeoutError:
            raise
        except Exception as error:
            return explain_refusal(error, self._to, self._own_address)
        return ok(f"role {self._to.user}, database {self._to.name}")

    async def _ask_replica(self) -> Finding:
        return await examine_replica(self._replica_url, self._timeout)

    async def _ask(self, examine: Examine) -> Finding:
        if self._database is None:
            raise AssertionError("asked before the log-in")
        return await self._database.ask(examine)
