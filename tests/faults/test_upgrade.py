"""An upgrade as docs/operations.md has it: the schema first, then worker after worker, under load.

The last release is this one without its newest migration: its worker knows one migration less than the schema has.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.instance import PROJECT
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.programs.command import run_command
from tests.support.programs.page import commands_of, run_commands
from tests.support.stage.stage import Stage

PACKAGES = ("worker", "contracts", "sql")
WRONG = 78
CREATED = r"^CREATE (?:OR REPLACE )?(?:TABLE|VIEW|FUNCTION)(?: IF NOT EXISTS)? (\w+)"
BEFORE = "GRANT INSERT, UPDATE, DELETE ON sessions, session_ledger TO session_store_worker;\n"
"""What a worker needed while it wrote to the tables itself."""
Variables = dict[str, str]


@pytest.fixture
def last_release(tmp_path: Path) -> Variables:
    """Return the variables that have `session-store` be the last release."""
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("typescript"))
    newest, roles = max((tmp_path / "sql" / "migrations").glob("*.sql")), tmp_path / "sql" / "roles.sql"
    older = "".join(path.read_text() for path in newest.parent.glob("*.sql") if path != newest)
    made = re.findall(CREATED, newest.read_text(), re.MULTILINE)
    added = [name for name in made if not re.search(rf"\b{name}\b", older)]
    kept = [line for line in roles.read_text().splitlines() if not any(name in line for name in added)]
    roles.write_text("\n".join([*kept, BEFORE]))
    newest.unlink()
    return {"PYTHONPATH": str(tmp_path)}


@pytest.fixture
async def old_stage(
    postgres_server: PostgresServer,
    rabbit_server: RabbitServer,
    empty_database_url: str,
    prefix: str,
    fault_seed: int,
    last_release: Variables,
) -> AsyncIterator[Stage]:
    """Yield an installation whose servers the last release has prepared."""
    migrated = run_command("migrate", variables=last_release | {"DATABASE_URL": empty_database_url})
    assert migrated.returncode == 0, migrated.stderr
    database = empty_database_url.rpartition("/")[2]
    stage = Stage(postgres_server, rabbit_server, database, prefix, fault_seed)
    await stage.prepare(await asyncio.to_thread(_roles_of, last_release))
    yield stage
    await stage.close()


def _roles_of(release: Variables) -> str:
    return (Path(release["PYTHONPATH"]) / "sql" / "roles.sql").read_text()


async def test_an_upgrade_under_load_loses_nothing_and_old_workers_run_on_the_new_schema(
    old_stage: Stage, last_release: Variables
) -> None:
    over = asyncio.Event()
    old = await asyncio.gather(*(old_stage.start_replica(last_release) for _ in range(2)))
    publishing = asyncio.create_task(old_stage.publish_until(over, rate=500))
    early = await old_stage.start_replica(ready=False)
    assert await early.ended() == WRONG, "a new worker took the old schema"
    await asyncio.to_thread(_prepare_servers, old_stage, last_release)
    beside = await old_stage.start_replica()
    late = await old_stage.start_replica(last_release)  # an old one starts on the new schema too
    for replica in old:
        assert await replica.stop() == 0, replica.tail()
    over.set()
    await publishing
    assert beside.is_running
    assert late.is_running
    report = await old_stage.finish()
    assert report.is_clean, report


def _prepare_servers(stage: Stage, last_release: Variables) -> None:
    """Do as the document says; the last release must not migrate what is newer than itself."""
    servers = {
        "DATABASE_URL": stage.postgres.url_of(stage.database),
        "AMQP_URL": stage.rabbit.url,
        "SESSION_STORE_PREFIX": stage.topology.prefix,
    }
    (prepare,) = commands_of("docs/operations.md", "Upgrade without a stop")
    run_commands(prepare, servers)
    assert run_command("migrate", variables=servers | last_release).returncode == WRONG
