"""Steps transactions through every schedule, one statement of `apply_session_events` at a time.

Between its two statements the function stops at a gate. The gate is a trigger on the ledger, which a test
adds to its own database. It waits for an advisory lock that the test holds.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Literal, NamedTuple

import asyncpg

import sql
from tests.support.events.model import Event
from tests.support.events.session_events import Answer, apply

INSTALL_GATE = """
    CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(pg_backend_pid());
        RETURN NULL;
    END $$;
    CREATE TRIGGER gate AFTER INSERT ON session_ledger FOR EACH STATEMENT EXECUTE FUNCTION wait_at_gate();
"""


class Erasure(NamedTuple):
    """A transaction that sets a player's erasure marker at a revision."""

    player_id: str
    revision: int


Call = tuple[Event, ...] | Erasure
Schedule = tuple[int, ...]
"""The actor of each turn, by its index."""


class Played(NamedTuple):
    """One schedule played to its end: the actor of every turn, and the actors that were ready for it."""

    schedule: Schedule
    ready: tuple[Schedule, ...]
    answers: list[tuple[Event, Answer]]


class Actor:
    """One transaction of one call, advanced by turns: first statement, second statement, end."""

    def __init__(
        self, connection: asyncpg.Connection, call: Call, end: Literal["COMMIT", "ROLLBACK"]
    ) -> None:
        self.pid: int = connection.get_server_pid()
        self.answers: list[tuple[Event, Answer]] = []
        self._connection = connection
        self._call = call
        self._end = end
        self._running: asyncio.Task[dict[Event, Answer]] | None = None
        self._ended = False

    @property
    def is_running(self) -> bool:
        """Whether the call is at the server and has not returned."""
        return self._running is not None and not self._running.done()

    def is_ready(self, wait: str | None) -> bool:
        """Return whether the actor can take a turn; `wait` is the kind of lock that it waits for."""
        return not self._ended and (not self.is_running or wait == "advisory")

    async def advance(self, stage: "Stage") -> None:
        """Take one turn."""
        if self._running is None:
            await self._connection.execute("BEGIN")
            self._running = asyncio.create_task(self._run())
        elif self.is_running:
            await stage.open_gate(self.pid)
        else:
            answers = await self._running
            await self._connection.execute(self._end)
            self._ended = True
            if self._end == "COMMIT":
                self.answers = list(answers.items())

    async def _run(self) -> dict[Event, Answer]:
        match self._call:
            case Erasure(player_id, revision):
                await self._connection.fetch(sql.statement("mark_erasure"), player_id, revision)
                return {}
            case events:
                return await apply(self._connection, events)


class Stage:
    """Plays schedules, on a connection for the director and one for each actor."""

    def __init__(self, director: asyncpg.Connection, connections: Sequence[asyncpg.Connection]) -> None:
        self._director = director
        self._connections = connections

    async def play(self, calls: Sequence[Call], prefix: Schedule, crashing: int | None = None) -> Played:
        """Play the schedule that starts like `prefix`; after that the first ready actor takes each turn.

        The transaction of the actor `crashing` is rolled back at its end.
        """
        actors = [
            Actor(connection, call, "ROLLBACK" if index == crashing else "COMMIT")
            for index, (connection, call) in enumerate(zip(self._connections, calls, strict=True))
        ]
        for actor in actors:
            await self._director.execute("SELECT pg_advisory_lock($1)", actor.pid)
        schedule: Schedule = ()
        choices: tuple[Schedule, ...] = ()
        while ready := await self._ready(actors):
            wanted = prefix[len(schedule)] if len(schedule) < len(prefix) else ready[0]
            turn = wanted if wanted in ready else ready[0]
            await actors[turn].advance(self)
            schedule, choices = (*schedule, turn), (*choices, ready)
        return Played(schedule, choices, [answer for actor in actors for answer in actor.answers])

    async def open_gate(self, pid: int) -> None:
        """Let the call of this backend continue with its second statement."""
        await self._director.execute("SELECT pg_advisory_unlock($1)", pid)

    async def _ready(self, actors: Sequence[Actor]) -> Schedule:
        """Return the actors that can take a turn, once every running call waits for a lock."""
        waits = await self._waits(actors)
        while any(actor.is_running and actor.pid not in waits for actor in actors):
            waits = await self._waits(actors)
        return tuple(index for index, actor in enumerate(actors) if actor.is_ready(waits.get(actor.pid)))

    async def _waits(self, actors: Sequence[Actor]) -> dict[int, str]:
        """Return the kind of lock that each actor waits for.

        An actor that waits for another process, such as autovacuum, is left out: it will continue.
        """
        query = """SELECT pid, locktype FROM pg_locks, pg_blocking_pids(pid) AS blocking
                    WHERE NOT granted AND pid = ANY ($1) AND blocking <@ $2 AND blocking <> '{}'"""
        pids = [actor.pid for actor in actors]
        rows = await self._director.fetch(query, pids, [*pids, self._director.get_server_pid()])
        return {row["pid"]: row["locktype"] for row in rows}


async def every_schedule(
    stage: Stage, calls: Sequence[Call], crashing: int | None = None
) -> AsyncIterator[Played]:
    """Yield every schedule of the calls, each played from its start; the caller clears the tables."""
    prefixes: list[Schedule] = [()]
    while prefixes:
        prefix = prefixes.pop()
        played = await stage.play(calls, prefix, crashing)
        yield played
        for turn in range(len(prefix), len(played.schedule)):
            others = (other for other in played.ready[turn] if other != played.schedule[turn])
            prefixes += [(*played.schedule[:turn], other) for other in others]
