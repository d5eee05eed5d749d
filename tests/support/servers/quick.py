"""A PostgreSQL without `fsync`: most of the work for a test's database is to make and to drop it."""

import subprocess
from pathlib import Path
from threading import Lock
from typing import Final, Literal

from deploy.local.errors import CommandFailed
from deploy.local.postgres import PostgresServer
from deploy.local.programs import postgres_programs

_WITH_STRATEGIES: Final = 15  # the first version that has another way than a copy of the files
_ANSWERED: Final = "-- answered --"
_SETTINGS = """
fsync = off
full_page_writes = off
"""


class Shell:
    """One `psql` for many statements: its start and its login take as long as the copy of a database."""

    def __init__(self, url: str) -> None:
        self._psql = subprocess.Popen(
            [str(postgres_programs() / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, sql: str) -> None:
        """Run these statements; raises CommandFailed with the server's words, and the shell has ended then."""
        assert self._psql.stdin
        assert self._psql.stdout
        self._psql.stdin.write(f"{sql}\n;\n\\warn {_ANSWERED}\n")
        self._psql.stdin.flush()
        lines: list[str] = []
        for line in self._psql.stdout:
            if line.rstrip() == _ANSWERED:
                return
            lines.append(line)
        raise CommandFailed("".join(lines).strip())

    def end(self) -> None:
        """Close its input, which ends it."""
        self._psql.communicate()


class QuickPostgres(PostgresServer):
    """A server whose commits survive its processes, but not a crash of the machine."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._shell: Shell | None = None
        self._turn = Lock()  # asynchronous tests make databases in threads

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Have the server ended, and the shell on it."""
        self._end_shell()
        super().stop(mode)

    def _maintain(self, statements: str) -> None:
        with self._turn:
            self._shell = self._shell or Shell(self.url)
            try:
                self._shell.run(statements)
            except CommandFailed:
                self._end_shell()
                raise

    def _end_shell(self) -> None:
        if self._shell:
            self._shell.end()
            self._shell = None

    def _copy_of(self, template: str) -> str:
        """Have the files copied: a copy through the log of transactions takes longer here."""
        version = int((self._data / "PG_VERSION").read_text())
        return super()._copy_of(template) + (" STRATEGY file_copy" if version >= _WITH_STRATEGIES else "")

    def _initialize(self) -> None:
        super()._initialize()
        self.configure(_SETTINGS)
