"""mq-bridge: a Rust core that takes batches from AMQP and writes them to PostgreSQL.

It declares its queue, and only as a classic one: that saves it the cost of a quorum queue. It binds a payload
once, so a trigger splits the event and stores the session.
"""

import asyncio
import os

import asyncpg
import mq_bridge

INBOX = """
CREATE TABLE bridge_inbox (payload bytea);
CREATE FUNCTION take_apart() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    event jsonb := convert_from(new.payload, 'UTF8')::jsonb;
BEGIN
    INSERT INTO sessions (session_id, player_id, encounter, state, started_at, completed_at, revision)
    VALUES (event->>'subject', event#>>'{data,session,playerId}',
            event#>'{data,session,encounter}', event#>'{data,session,state}',
            (event#>>'{data,session,startedAt}')::timestamptz,
            (event#>>'{data,session,completedAt}')::timestamptz, (event#>>'{data,revision}')::bigint)
    ON CONFLICT (session_id) DO UPDATE
       SET player_id = excluded.player_id, encounter = excluded.encounter, state = excluded.state,
           started_at = excluded.started_at, completed_at = excluded.completed_at,
           revision = excluded.revision, updated_at = now()
     WHERE sessions.revision < excluded.revision;
    RETURN NULL;
END $$;
CREATE TRIGGER take_apart BEFORE INSERT ON bridge_inbox FOR EACH ROW EXECUTE FUNCTION take_apart();
"""
ROUTE = {
    "input": {
        "amqp": {"url": f"{os.environ['AMQP_URL']}%2f", "queue": "bench.plain", "prefetch_count": 1000}
    },
    "output": {"sqlx": {"url": os.environ["DATABASE_URL"], "table": "bridge_inbox"}},
    "batch_size": 500,
    "concurrency": 2,
}


async def prepare() -> None:
    """Create the inbox and its trigger."""
    database = await asyncpg.connect(os.environ["DATABASE_URL"])
    await database.execute(INBOX)
    await database.close()


asyncio.run(prepare())
mq_bridge.init_logging("warn")
mq_bridge.Route.from_config(ROUTE, "bench").run()
