"""The database's side as plain SQL: migrations in order, one file a function, one file a statement, scripts."""

import hashlib
import posixpath
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_MIGRATION_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
_INDEX = re.compile(r"^CREATE INDEX (\w+) (ON [^;]+);", re.MULTILINE)
_INCLUDE = re.compile(r"^\\ir (\S+\.sql)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """One numbered file of `sql/migrations`; `checksum` is the SHA-256 of its own bytes, in hex."""

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
    """Return all migrations, oldest first; `text` has the files that they include."""
    found = []
    for entry in files(__package__).joinpath("migrations").iterdir():
        if match := _MIGRATION_NAME.fullmatch(entry.name):
            checksum = hashlib.sha256(entry.read_bytes()).hexdigest()
            text = _whole(f"migrations/{entry.name}")
            found.append(MigrationFile(int(match[1]), match[2], text, checksum))
    return tuple(sorted(found, key=lambda file: file.version))


@cache
def statement(name: str) -> str:
    """Return the text of `sql/statements/<name>.sql`; raises FileNotFoundError when there is none."""
    return _whole(f"statements/{name}.sql")


@cache
def script(name: str) -> str:
    """Return the text of `sql/<name>.sql`, several statements for one transaction."""
    return _whole(f"{name}.sql")


@cache
def index_definitions() -> dict[str, str]:
    """Return the definition of each index in `sql/schema.sql` after its name, on one line, by that name."""
    return {name: " ".join(definition.split()) for name, definition in _INDEX.findall(_whole("schema.sql"))}


def _whole(path: str) -> str:
    """Return the text of a file, each line that psql reads as `\\ir <file>` replaced by that file."""
    here = posixpath.dirname(path)
    text = files(__package__).joinpath(path).read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda line: _whole(posixpath.normpath(posixpath.join(here, line[1]))), text)
