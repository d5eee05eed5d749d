"""The sessions are partitioned under load, and the conversion is killed again and again."""

import asyncio
import os
from asyncio.subprocess import PIPE, Process

from tests.support.programs.command import run_command
from tests.support.programs.replica import PROGRAM
from tests.support.selection import long
from tests.support.servers.layouts import on_layout
from tests.support.stage.stage import Stage

BESIDE = 12_000
"""The number of earlier sessions: enough that copying them takes a while."""

FILL = f"""
    INSERT INTO sessions (session_id, player_id, encounter, state, started_at, completed_at)
    SELECT 'beside ' || n, 'player', '{{"difficulty": "hard"}}', '{{}}', moment,
           CASE WHEN n % 3 = 0 THEN moment + n * interval '1 second' END
      FROM generate_series(1, {BESIDE}) AS n,
           LATERAL (SELECT timestamptz '2025-10-01Z' + n * interval '10 minutes') AS at (moment);
    INSERT INTO session_ledger (session_id, revision, event_id, outcome)
    SELECT session_id, 1, md5(session_id)::uuid, 'stored' FROM sessions
        ON CONFLICT DO NOTHING;
"""  # noqa: S608
COPIED = "SELECT count(*) FROM session_ledger WHERE started_at IS NOT NULL AND session_id LIKE 'beside %'"
MISPLACED = """
    SELECT count(*) FROM sessions FULL JOIN session_ledger AS entry USING (session_id)
     WHERE sessions.started_at IS DISTINCT FROM entry.started_at
"""
DOUBLE = "SELECT count(*) - count(DISTINCT session_id) FROM sessions"
OFF = """
    SELECT count(*) FROM (SELECT count(*), count(completed_at), count(*) - count(completed_at),
                                 avg(extract(epoch FROM completed_at - started_at))::numeric FROM sessions
                          EXCEPT SELECT * FROM exact_session_stats()) AS difference
"""
UNTOUCHED = "SELECT count(*) FROM sessions WHERE session_id LIKE 'beside %'"
CLEAR = "DELETE FROM {} WHERE session_id LIKE 'beside %'"


@long("a table is converted four times under load")
@on_layout("plain")  # a conversion begins with this layout
async def test_a_conversion_that_is_killed_under_load_goes_on_and_costs_nothing(calm_stage: Stage) -> None:
    stage, over = calm_stage, asyncio.Event()
    await asyncio.to_thread(stage.postgres.psql, FILL, stage.database)
    replicas = [await stage.start_replica() for _ in range(2)]
    publishing = asyncio.create_task(stage.publish_until(over, rate=600))
    for copied in (1, 3_000, 8_000):
        await kill_once_copied(stage, copied)
        await stage.probe()
    done = await asyncio.to_thread(run_command, "partition", "convert", variables=variables_of(stage))
    assert done.returncode == 0, done.stderr
    await stage.probe()
    over.set()
    await publishing
    await assert_kept(stage)
    report = await stage.finish()
    assert report.is_clean, report
    assert [replica.count("broker.connected") for replica in replicas] == [1, 1], (
        "the broker has no part in it"
    )


async def kill_once_copied(stage: Stage, sessions: int) -> None:
    """Start a conversion, and kill it once this many sessions are copied."""
    command = await start_converting(stage)
    while await ask(stage, COPIED) < sessions:
        assert command.returncode is None, await command.communicate()
    command.kill()
    await command.wait()


async def start_converting(stage: Stage) -> Process:
    environment = {"PATH": os.environ.get("PATH", os.defpath), **variables_of(stage)}
    return await asyncio.create_subprocess_exec(
        PROGRAM, "partition", "convert", env=environment, cwd="/", stdout=PIPE, stderr=PIPE
    )


async def assert_kept(stage: Stage) -> None:
    """Assert that each earlier session is there once, where the ledger says, and the statistics count it."""
    shown = await asyncio.to_thread(run_command, "partition", "show", variables=variables_of(stage))
    assert shown.stdout.startswith("layout: partitioned\n")
    assert await ask(stage, UNTOUCHED) == BESIDE
    await stage.drained()
    assert [await ask(stage, question) for question in (MISPLACED, DOUBLE, OFF)] == [0, 0, 0]
    for table in ("sessions", "session_ledger"):
        await asyncio.to_thread(stage.postgres.psql, CLEAR.format(table), stage.database)
    assert await ask(stage, OFF) == 0


async def ask(stage: Stage, question: str) -> int:
    return int(await asyncio.to_thread(stage.postgres.psql, question, stage.database))


def variables_of(stage: Stage) -> dict[str, str]:
    return {"DATABASE_URL": stage.postgres.url_of(stage.database)}
