"""Private servers for the benchmark, a fresh database for each turn, and events in the queue."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiormq
import asyncpg
from pamqp.commands import Basic

from contracts.topology import EVENT_CONTENT_TYPE, SIGNATURE_HEADER, WRITE_KEY, Topology
from deploy.local.instance import LOCAL, PROJECT
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.bench.events import Event
from tests.bench.measure import cpu_seconds
from tests.bench.wire import open_line

PLACE: Final = LOCAL / "bench"
DATABASE: Final = "bench"
PROGRAM: Final = PROJECT / ".venv" / "bin" / "session-store"
WORKER: Final = (PROGRAM, "run")
PLAIN_QUEUE: Final = "bench.plain"  # for programs that cannot consume a quorum queue

Command = Sequence[str | Path]


class Stand:
    """The servers that all contestants share, one turn after the other."""

    def __init__(self, directory: Path) -> None:
        self.postgres = PostgresServer(directory / "postgres")
        self.rabbit = RabbitServer(directory / "rabbitmq")
        self.topology = Topology()
        self.turn = 0
        self._templates: dict[Path, str] = {}
        self._declared: Path | None = None  # the program whose topology the broker has

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a started process, with the servers' URLs."""
        return {
            **os.environ,
            "DATABASE_URL": self.postgres.url_of(self.name),
            "AMQP_URL": self.rabbit.url,
            "SESSION_STORE_LOG_LEVEL": "error",
            "SESSION_STORE_HTTP_PORT": "0",
        }

    @property
    def name(self) -> str:
        """The name of this turn's database."""
        return f"{DATABASE}_{self.turn}"

    async def prepare(self, program: Path = PROGRAM) -> None:
        """Make a new database with the schema of a program, and empty the queues."""
        template = self._templates.get(program) or await self._migrate(program)
        if self.turn:
            await asyncio.to_thread(self.postgres.drop_database, self.name)
        self.turn += 1
        await asyncio.to_thread(self.postgres.create_database, self.name, template)
        await self._empty_queues(program)
        await asyncio.to_thread(self.postgres.psql, "CHECKPOINT")

    async def _migrate(self, program: Path) -> str:
        """Return the name of a database with the schema of a program."""
        template = self._templates[program] = f"template_{len(self._templates)}"
        url = await asyncio.to_thread(self.postgres.create_database, template)
        await self._run(program, "migrate", url)
        return template

    async def _empty_queues(self, program: Path) -> None:
        """Make empty queues as this program declares them: another release may declare them differently."""
        queues = [queue.name for queue in self.topology.queues]
        async with self.channel() as channel:
            await channel.queue_declare(PLAIN_QUEUE, durable=True)
            for queue in (PLAIN_QUEUE, *(queues if program == self._declared else ())):
                await channel.queue_purge(queue)
            for queue in queues if program != self._declared else ():
                await channel.queue_delete(queue)
        if program != self._declared:
            await self._run(program, "topology", self.postgres.url_of(self.name))
            self._declared = program

    async def _run(self, program: Path, command: str, database_url: str) -> None:
        variables = self.variables | {"DATABASE_URL": database_url}
        process = await asyncio.create_subprocess_exec(program, command, env=variables, stdout=DEVNULL)
        if await process.wait():
            raise RuntimeError(f"{program} {command} ended with {process.returncode}")

    async def publish(self, events: Sequence[Event], queue: str = WRITE_KEY) -> None:
        """Publish the events; returns once all are in the queue."""
        async with open_line(self.rabbit.url) as line, self.channel() as channel:
            for event in events:
                await line.send(event.body, queue, _properties_of(event))
            while (await self._waiting(channel, queue)) < len(events):
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[aiormq.abc.AbstractChannel]:
        """Yield a channel on a connection of its own."""
        connection = await aiormq.connect(self.rabbit.url)
        try:
            yield await connection.channel(publisher_confirms=False)
        finally:
            await connection.close()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """Yield a connection to this turn's database."""
        connection = await asyncpg.connect(self.postgres.url_of(self.name))
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def running(self, *commands: Command) -> AsyncIterator[None]:
        """Run these programs within the context, with the servers' URLs in their environment."""
        processes = [await asyncio.create_subprocess_exec(*words, env=self.variables) for words in commands]
        try:
            yield
        finally:
            for process in processes:
                await end(process)

    def cpu(self) -> dict[str, float]:
        """Return the processor time of both servers so far, in seconds."""
        servers = {"rabbitmq": self.rabbit.pid, "postgres": self.postgres.pid}
        return {name: cpu_seconds([pid]) for name, pid in servers.items() if pid}

    async def _waiting(self, channel: aiormq.abc.AbstractChannel, queue: str) -> int:
        declared = await channel.queue_declare(queue, passive=True)
        return declared.message_count or 0


def _properties_of(event: Event) -> Basic.Properties:
    return Basic.Properties(
        content_type=EVENT_CONTENT_TYPE,
        delivery_mode=2,
        message_id=event.event_id,
        headers={SIGNATURE_HEADER: event.signature} if event.signature else None,
    )


async def end(process: Process) -> None:
    """End a process by SIGTERM, and wait for its end."""
    if process.returncode is None:
        process.terminate()
    await process.wait()


@asynccontextmanager
async def open_stand() -> AsyncIterator[Stand]:
    """Yield empty servers, and erase them afterwards."""
    stand = Stand(PLACE)
    stand.rabbit.erase()  # left by a run that ended before it could erase them
    stand.postgres.erase()
    try:
        stand.postgres.start()
        stand.postgres.configure("track_commit_timestamp = on\nmax_wal_size = 8GB\n")
        stand.postgres.restart()
        stand.rabbit.start()
        yield stand
    finally:
        stand.rabbit.erase()
        stand.postgres.erase()
