"""The database's side as plain SQL: migrations in order, one file a statement, scripts that partition sessions."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_MIGRATION_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
_INDEX = re.compile(r"^CREATE INDEX (\w+) (ON [^;]+);", re.MULTILINE)
_INCLUDE = re.compile(r"^\\ir (\w+)\.sql\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """One numbered file of `sql/migrations`; `checksum` is the SHA-256 of its bytes, in hex."""

    version: int
    name: str
    text: str
    checksum: str

    @property
    def in_transaction(self) -> bool:
        """Whether the file is applied in a transaction; its first line `-- no-transaction` says not."""
        return not self.text.startswith("-- no-transaction\n")


@cache
def migration_files() -> tuple[MigrationFile, ...]:
    """Return all migrations, oldest first."""
    found = []
    for entry in files(__package__).joinpath("migrations").iterdir():
        if match := _MIGRATION_NAME.fullmatch(entry.name):
            content = entry.read_bytes()
            checksum = hashlib.sha256(content).hexdigest()
            found.append(MigrationFile(int(match[1]), match[2], content.decode(), checksum))
    return tuple(sorted(found, key=lambda file: file.version))


@cache
def statement(name: str) -> str:
    """Return the text of `sql/statements/<name>.sql`; raises FileNotFoundError when there is none.

    A line that psql reads as `\\ir <file>` is replaced by that file.
    """
    return _whole("statements", name)


@cache
def partitioning_script(name: str) -> str:
    """Return the text of `sql/partitioning/<name>.sql`, several statements for one transaction; includes as above."""
    return _whole("partitioning", name)


@cache
def script(name: str) -> str:
    """Return the text of `sql/<name>.sql`, several statements for one transaction."""
    return files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


@cache
def index_definitions() -> dict[str, str]:
    """Return what follows the name of each index in `sql/schema.sql`, on one line, by that name."""
    text = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
    return {name: " ".join(definition.split()) for name, definition in _INDEX.findall(text)}


def _whole(folder: str, name: str) -> str:
    text = files(__package__).joinpath(folder, f"{name}.sql").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda line: _whole(folder, line[1]), text)
