"""An upgrade by docs/upgrade.md: the schema first, then worker after worker, under load.

The last release is this one without its newest migration. The next release adds a migration, which
changes the order law.
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
CREATED = r"^CREATE (?:OR REPLACE )?(?:TABLE|VIEW)(?: IF NOT EXISTS)? (\w+)|^\\ir \.\./functions/(?:\w+/)?(\w+)\.sql"
LAW = Path("sql", "functions", "apply_session_events.sql")
CHANGED = "\nBEGIN\n    PERFORM next_release FROM session_ledger WHERE false;\n"
MIGRATION = """
ALTER TABLE session_ledger ADD COLUMN IF NOT EXISTS next_release text;
\\ir ../functions/apply_session_events.sql
INSERT INTO session_store_migrations (version, name) VALUES (9000, 'next_release') ON CONFLICT DO NOTHING;
"""
IS_CHANGED = "SELECT prosrc LIKE '%next_release%' FROM pg_proc WHERE oid = 'apply_session_events'::regproc"
Variables = dict[str, str]


@pytest.fixture
def last_release(tmp_path: Path) -> Variables:
    """Return the variables with which `session-store` is the last release."""
    place = _copy(tmp_path / "last")
    newest, roles = max((place / "sql" / "migrations").glob("*.sql")), place / "sql" / "roles.sql"
    older = "".join(path.read_text() for path in newest.parent.glob("*.sql") if path != newest)
    made = ["".join(found) for found in re.findall(CREATED, newest.read_text(), re.MULTILINE)]
    added = [name for name in made if not re.search(rf"\b{name}\b", older)]
    kept = [line for line in roles.read_text().splitlines() if not any(name in line for name in added)]
    roles.write_text("\n".join(kept))
    newest.unlink()
    return {"PYTHONPATH": str(place)}


@pytest.fixture
def next_release(tmp_path: Path) -> Variables:
    """Return the variables with which `session-store` is the next release; its law needs its migration."""
    place = _copy(tmp_path / "next")
    law = (place / LAW).read_text()
    assert law.count("\nBEGIN\n    --") == 1
    (place / LAW).write_text(law.replace("\nBEGIN\n", CHANGED, 1))
    (place / "sql" / "migrations" / "9000_next_release.sql").write_text(MIGRATION)
    return {"PYTHONPATH": str(place)}


def _copy(place: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, place / package, ignore=shutil.ignore_patterns("typescript"))
    return place


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
    old_stage: Stage, last_release: Variables, next_release: Variables
) -> None:
    over = asyncio.Event()
    old = await asyncio.gather(*(old_stage.start_replica(last_release) for _ in range(2)))
    publishing = asyncio.create_task(old_stage.publish_until(over, rate=500))
    early = await old_stage.start_replica(next_release, ready=False)
    assert await early.ended() == WRONG, "a new worker took the old schema"
    await asyncio.to_thread(_prepare_servers, old_stage, last_release, next_release)
    beside = await old_stage.start_replica(next_release)
    late = await old_stage.start_replica(last_release)  # an old worker starts on the new schema too
    for replica in old:
        assert await replica.stop() == 0, replica.tail()
    over.set()
    await publishing
    assert beside.is_running
    assert late.is_running
    report = await old_stage.finish()
    assert report.is_clean, report
    assert await asyncio.to_thread(old_stage.postgres.psql, IS_CHANGED, old_stage.database) == "t"


def _prepare_servers(stage: Stage, last_release: Variables, next_release: Variables) -> None:
    """Run the commands of the page; the last release must refuse to migrate the newer schema."""
    servers = {
        "DATABASE_URL": stage.postgres.url_of(stage.database),
        "AMQP_URL": stage.rabbit.url,
        "SESSION_STORE_PREFIX": stage.topology.prefix,
    }
    (prepare,) = commands_of("docs/upgrade.md", "Upgrade without a stop")
    run_commands(prepare, servers | next_release)
    assert run_command("migrate", variables=servers | last_release).returncode == WRONG
