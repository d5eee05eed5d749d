from typing import Final

from deploy.local.instance import PROJECT
from deploy.local.postgres import PostgresServer

PLACE: Final = PROJECT / "deploy" / "postgres"
OVERWRITE: Final = (
    "COPY (SELECT line FROM regexp_split_to_table($file${text}$file$, '\\n') AS line) TO '{path}'"
)

RULES: Final = """
    SELECT count(*), count(error) FILTER (WHERE error NOT LIKE '%SSL is disabled') FROM pg_hba_file_rules
"""


def test_postgresql_starts_with_the_advised_settings(own_postgres: PostgresServer) -> None:
    advice = (PLACE / "session-store.conf").read_text(encoding="utf-8")
    own_postgres.configure(advice.replace("shared_buffers = 2GB", "shared_buffers = 16MB"))
    own_postgres.restart()
    applied = own_postgres.psql("SELECT name FROM pg_file_settings WHERE applied").split()
    advised = {line.split()[0] for line in advice.splitlines() if line and not line.startswith("#")}
    assert advised <= set(applied)


def test_postgresql_understands_every_line_of_the_advised_logins(own_postgres: PostgresServer) -> None:
    advice = (PLACE / "pg_hba.conf").read_text(encoding="utf-8")
    own_postgres.start()
    path = own_postgres.psql("SHOW hba_file").strip()
    own_postgres.psql(OVERWRITE.format(text=advice, path=path))
    lines = [line for line in advice.splitlines() if line and not line.startswith("#")]
    assert own_postgres.psql(RULES).strip() == f"{len(lines)}|0"
