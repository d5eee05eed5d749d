"""A private PgBouncer before a private PostgreSQL, for tests of a worker that connects through one."""

import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from deploy.local.errors import MissingPrograms
from deploy.local.ports import LOOPBACK, answers
from deploy.local.postgres import ROLE, PostgresServer, give, server_user
from deploy.local.processes import Process, spawn
from deploy.local.programs import find_pgbouncer
from deploy.local.server import Server

_STOP_SECONDS = 5.0
_CONFIGURATION = """\
[databases]
* = host={address} port={server_port}

[pgbouncer]
listen_addr = {address}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
default_pool_size = 4
{more}
"""


class PgBouncer(Server):
    """A pooler in one of two modes, reachable from this machine only; `more` is more configuration."""

    port_names: ClassVar[tuple[str, ...]] = ("pgbouncer",)
    taken_words: ClassVar[tuple[str, ...]] = ("Address already in use",)

    def __init__(
        self,
        directory: Path,
        postgres: PostgresServer,
        mode: Literal["session", "transaction"],
        more: str = "",
    ) -> None:
        super().__init__(directory)
        self._postgres = postgres
        self._mode = mode
        self._more = more

    def url_of(self, database: str) -> str:
        """Return the superuser's connection URL of a database, through the pooler."""
        return f"postgresql://{ROLE}:{self._postgres.password}@{LOOPBACK}:{self.port}/{database}"

    def stop(self) -> None:
        """End it, and disconnect its clients."""
        self._finish(signal.SIGTERM, _STOP_SECONDS)

    def erase(self) -> None:
        """Kill it and delete all its files."""
        self.kill()
        if place := self._record.place:
            shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _prepare(self) -> None:
        if self._record.place is None:  # it does not run as root, and must reach its files
            place = Path(tempfile.mkdtemp(prefix="session-store-"))
            give(place)
            self._keep(replace(self._record, place=str(place)))
        self._write("users", f'"{ROLE}" "{self._postgres.password}"\n')
        ports = {"server_port": self._postgres.port, "port": self.port}
        given = {"address": LOOPBACK, "mode": self._mode, "more": self._more}
        self._write("configuration", _CONFIGURATION.format(users=self._path("users"), **ports, **given))

    def _write(self, name: str, text: str) -> None:
        path = self._path(name)
        path.touch(mode=0o600)
        path.write_text(text)
        give(path)

    def _path(self, name: str) -> Path:
        return Path(self._record.place or self.directory) / name

    def _launch(self) -> Process:
        program = find_pgbouncer()
        if program is None:
            raise MissingPrograms(
                "PgBouncer is not on this machine: run `make test`, or apt-get install pgbouncer"
            )
        return spawn(
            [str(program), str(self._path("configuration"))],
            log=self.log,
            environment={"LC_ALL": "C"},
            directory=self._path("."),
            user=server_user(),
        )

    def _is_ready(self) -> bool:
        return answers(self.port)
