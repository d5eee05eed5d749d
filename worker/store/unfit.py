"""Refuses a database that cannot keep sessions: another encoding, functions that look into another schema."""

from typing import Final

import sql
from worker.errors import SchemaError
from worker.store.pool import Connection

ENCODING: Final = "UTF8"


class EncodingRefused(SchemaError):
    """The database cannot represent every text: its encoding is not UTF8."""


class SchemaMoved(SchemaError):
    """Functions look for tables in a schema that had another name when it was migrated."""


async def refuse_unfit(connection: Connection) -> None:
    """Raise EncodingRefused or SchemaMoved for a database in which events would be lost or wait without end."""
    refuse_encoding(getattr(connection.get_settings(), "server_encoding", ENCODING))
    moved = await connection.fetch(sql.statement("examine_search_paths"))
    if moved:
        raise SchemaMoved(
            f"the schema was renamed or copied: {', '.join(row['name'] for row in moved)} look for tables where they "
            f"were; run as the owner of the tables: {'; '.join(row['statement'] for row in moved)}"
        )


def refuse_encoding(encoding: str) -> None:
    """Raise EncodingRefused for an encoding other than UTF8."""
    if encoding != ENCODING:
        raise EncodingRefused(
            f"the database's encoding is {encoding}, which cannot hold every session; make one with UTF8 and name it:"
            " createdb --encoding=UTF8 --template=template0 --locale=C NAME"
        )
