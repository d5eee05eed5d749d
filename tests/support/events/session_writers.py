"""Writers of sessions: workers with batches, and administrators with SQL of their own."""

import random
from uuid import UUID

import asyncpg

from tests.support.events.model import Event
from tests.support.events.session_events import apply


async def write(connection: asyncpg.Connection, chance: random.Random, times: int = 60) -> None:
    """Write as workers and administrators do: batches, rounds of them in one transaction, direct SQL, rollbacks."""
    for _ in range(times):
        transaction = connection.transaction()
        await transaction.start()
        match chance.randrange(10):
            case 0:
                await connection.execute(
                    "DELETE FROM sessions WHERE session_id = $1", chance.choice("abcdef")
                )
            case 1:
                await connection.execute(
                    "UPDATE sessions SET completed_at = now() - random() * interval '1 day' WHERE session_id = $1",
                    chance.choice("abcdef"),
                )
            case 2 if chance.random() < 0.3:
                await connection.execute("TRUNCATE sessions")
            case _:
                ids = sorted(chance.sample("abcdef", 4))
                for _ in range(chance.randrange(1, 4)):
                    await apply(connection, [some_event(chance, session_id) for session_id in ids])
        await (transaction.rollback() if chance.random() < 0.2 else transaction.commit())


def some_event(chance: random.Random, session_id: str) -> Event:
    """Return a write or a delete of the session, sometimes older than earlier ones."""
    revision = chance.randrange(1, 1 << 40)
    return Event(session_id, revision, UUID(int=chance.getrandbits(128)), is_delete=chance.random() < 0.2)
