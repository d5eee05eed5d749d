"""The database's roles that log in; `owner.sql` and `roles.sql` create them and give them their rights."""

from typing import Final

MIGRATOR: Final = "session_store_migrator"
WORKER: Final = "session_store_worker"
JANITOR: Final = "session_store_janitor"
READER: Final = "session_store_reader"
LOGINS: Final = (MIGRATOR, WORKER, JANITOR, READER)
