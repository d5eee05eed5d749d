"""A private PostgreSQL server, its files in a directory of ours."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal, Self

from deploy.local.errors import CommandFailed, StartFailed, ends_in_time
from deploy.local.ports import LOOPBACK
from deploy.local.processes import Process, group_of, spawn
from deploy.local.programs import postgres_programs
from deploy.local.server import Server

ROLE = "session_store"
_STOP_SECONDS = 30.0
_DROP = """
UPDATE pg_database SET datallowconn = false WHERE datname = '{name}';
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}';
DROP DATABASE IF EXISTS "{name}";
"""
_SETTINGS = """
max_connections = 200
unix_socket_directories = ''
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
log_line_prefix = '%m [%p] %d '
"""


class PostgresServer(Server):
    """A private PostgreSQL with one superuser; durable as in production (fsync is on).

    A standby is made from its primary, which must run then, and replays its log.
    """

    port_names: ClassVar[tuple[str, ...]] = ("postgres",)
    taken_words: ClassVar[tuple[str, ...]] = ("could not bind",)

    def __init__(self, directory: Path, standby_of: Self | None = None) -> None:
        super().__init__(directory)
        self._primary = standby_of

    @property
    def url(self) -> str:
        """The superuser's connection URL of the database `postgres`."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The superuser's connection URL of a database."""
        return f"postgresql://{ROLE}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    @property
    def password(self) -> str:
        """The superuser's password, generated at the first start."""
        return (self._place / "password").read_text().strip()

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Have the server ended; smart waits for clients, fast cuts them off, immediate leaves recovery."""
        numbers = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
        self._finish(numbers[mode], _STOP_SECONDS)

    def restart(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop in this mode and start again on the same port, unless it is taken."""
        self.stop(mode)
        self.start()

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run SQL as the superuser; returns unaligned rows, raises CommandFailed with the server's words."""
        command = [str(postgres_programs() / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1"]
        server = {"PGHOST": LOOPBACK, "PGPORT": str(self.port), "PGDATABASE": database}
        role = {"PGUSER": ROLE, "PGPASSWORD": self.password}
        with ends_in_time("psql"):
            done = subprocess.run(
                command,
                input=sql,
                env={**_environment(), **server, **role},
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        if done.returncode != 0:
            raise CommandFailed(done.stderr.strip())
        return done.stdout.strip()

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, a copy of the template when one is given; returns its URL."""
        self._maintain(f'CREATE DATABASE "{name}" {self._copy_of(template or "template1")}')
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Have the database gone, its connections cut: `WITH (FORCE)` is there since PostgreSQL 13 alone."""
        self._maintain(_DROP.format(name=name))

    def configure(self, settings: str) -> None:
        """Append lines to postgresql.conf; they hold after the next start."""
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"{settings}\n")

    def erase(self) -> None:
        """Have the server ended and every file of it gone; a killed one would leave its shared memory."""
        self.stop("immediate")
        if self.directory.exists():
            shutil.rmtree(self._place, ignore_errors=True)
            shutil.rmtree(self.directory, ignore_errors=True)

    def _maintain(self, statements: str) -> None:
        """Run statements that make or drop a database; a subclass may have a quicker way."""
        self.psql(statements)

    def _copy_of(self, template: str) -> str:
        """Return the words of a statement that makes a database as a copy of this one."""
        return f'TEMPLATE "{template}"'

    def _prepare(self) -> None:
        if not (self._data / "PG_VERSION").exists():
            self._keep(replace(self._record, place=str(self._choose_place())))
            self._initialize()
        # A killed postmaster without a waiting parent still has its pid: PostgreSQL would take it for alive.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self) -> Process:
        options = ["-D", str(self._data), "-h", LOOPBACK, "-p", str(self.port)]
        return spawn(
            [str(postgres_programs() / "postgres"), *options],
            log=self.log,
            environment=_environment(),
            directory=self._place,
            user=server_user(),
        )

    def _is_ready(self) -> bool:
        # postmaster.pid's first line is the pid, its eighth the state that pg_ctl waits for.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _initialize(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        password = self._primary.password if self._primary else secrets.token_hex(16)
        (self._place / "password").write_text(password + "\n")
        (self._place / "password").chmod(0o600)
        give(self._place / "password")
        if primary := self._primary:
            self._make("pg_basebackup", "-d", primary.url, "--checkpoint=fast", "--no-sync", "-R")
            return
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", f"--username={ROLE}"]
        self._make("initdb", *options, f"--pwfile={self._place / 'password'}")
        self.configure(_SETTINGS)

    def _make(self, program: str, *options: str) -> None:
        """Have the directory of the cluster filled by this program."""
        command = [str(postgres_programs() / program), *options, "-D", str(self._data)]
        done = _run(command, directory=self._place)
        if done.returncode != 0:
            raise StartFailed(f"{program} failed:\n{done.stdout}{done.stderr}")

    def _choose_place(self) -> Path:
        """Return a directory the server's user can reach: ours, or a temporary one where ours is closed."""
        place = self.directory / "cluster"
        place.mkdir(mode=0o700, exist_ok=True)
        give(place)
        if _run(["test", "-w", str(place)], directory=Path("/")).returncode == 0:
            return place
        place.rmdir()
        place = Path(tempfile.mkdtemp(prefix="session-store-"))
        give(place)
        return place

    @property
    def _place(self) -> Path:
        return Path(self._record.place or self.directory / "cluster")

    @property
    def _data(self) -> Path:
        return self._place / "data"


def server_user() -> str | None:
    """PostgreSQL refuses root: as root its programs run as the first of these users that exists."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "_postgres", "nobody") if name in names), None)


def give(path: Path) -> None:
    """Have a path belong to whom the programs run as."""
    if user := server_user():
        shutil.chown(path, user, group_of(user))


def _run(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    user = server_user()
    return subprocess.run(
        command,
        cwd=directory,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=group_of(user),
        extra_groups=None if user is None else [],
    )


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
