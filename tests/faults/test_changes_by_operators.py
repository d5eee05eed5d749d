"""Changes of a running server by its operators: time limits and functions (docs/guarantees.md)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest

from deploy.local.rabbitmq import RabbitServer
from tests.support.selection import long
from tests.support.stage.stage import ROLE, Stage

KICK_OUT: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'session_store_worker'"
)
OPEN: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'session_store_worker' AND datname = '{}'"
)
MAKE_AGAIN: Final = """
DO $$
DECLARE made text := pg_get_functiondef('apply_session_events'::regproc);
        name text := 'apply_session_events'::regproc::oid::regprocedure;
BEGIN
    EXECUTE 'DROP FUNCTION ' || name;
    EXECUTE made;
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO session_store_worker', name);
END $$
"""
WAIT: Final = (
    "application:set_env(rabbit, channel_tick_interval, {tick}),"
    "application:set_env(rabbit, consumer_timeout, {timeout})."
)
"""How often the broker looks at the age of deliveries, and how old one may be, in milliseconds; for new channels."""


async def sql(stage: Stage, text: str) -> str:
    """Return the server's answer to a superuser."""
    return await asyncio.to_thread(stage.postgres.psql, text, stage.database)


async def ctl(rabbit: RabbitServer, *words: str) -> str:
    """Return the output of a command of `rabbitmqctl`."""
    return await asyncio.to_thread(rabbit.ctl, *words)


async def until_open(stage: Stage, connections: int) -> None:
    """Return once the workers have at most this many connections to the database."""
    while int(await sql(stage, OPEN.format(stage.database))) > connections:
        await asyncio.sleep(0.1)


async def test_a_server_that_ends_idle_sessions_costs_nothing(calm_stage: Stage) -> None:
    replica = await calm_stage.start_replica()
    await calm_stage.probe()
    await sql(
        calm_stage, f"ALTER ROLE {ROLE} IN DATABASE {calm_stage.database} SET idle_session_timeout = '200ms'"
    )
    await sql(calm_stage, f"{KICK_OUT} AND datname = '{calm_stage.database}'")
    for _ in range(3):
        await calm_stage.probe()
        await until_open(calm_stage, 0)
    report = await calm_stage.finish()
    assert report.is_clean, report
    assert replica.count("consuming.paused") == 0  # a session that ends during a statement gets it again


async def test_a_function_that_is_dropped_and_made_again_costs_nothing(calm_stage: Stage) -> None:
    replica = await calm_stage.start_replica()
    publishing = asyncio.create_task(calm_stage.publish(600, rate=300))
    await calm_stage.probe()
    await sql(calm_stage, MAKE_AGAIN)
    await calm_stage.probe()
    await publishing
    report = await calm_stage.finish()
    assert report.is_clean, report
    assert replica.count("consuming.paused") == 0


@pytest.fixture
async def impatient_rabbit(breakable_rabbit: RabbitServer) -> AsyncIterator[RabbitServer]:
    """Yield a broker that waits 3 s for an acknowledgement."""
    await ctl(breakable_rabbit, "eval", WAIT.format(tick=200, timeout=3000))
    yield breakable_rabbit
    await ctl(breakable_rabbit, "eval", WAIT.format(tick=60_000, timeout=1_800_000))


@long("the broker looks at the age of deliveries now and then")
async def test_a_broker_that_waits_no_longer_for_acknowledgements_delivers_once_more(
    impatient_rabbit: RabbitServer, stage: Stage
) -> None:
    replica = await stage.start_replica()
    await stage.probe()
    await sql(stage, f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
    await sql(stage, KICK_OUT)
    await stage.publish(300)
    assert "delivery acknowledgement" in (await replica.logged("batch.given_up"))["reason"]
    await replica.logged("consuming.paused")
    await sql(stage, f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
    await stage.probe()
    report = await stage.finish()
    assert report.is_clean, report
