"""The faults of `make chaos`: drawn by the seed, caused one after the other, and counted by kind."""

import asyncio
import random
from collections import Counter
from types import TracebackType
from typing import Final, Self

from deploy.local.ports import LOOPBACK
from tests.support.programs.replica import Replica
from tests.support.servers.proxy import Proxy
from tests.support.stage.stage import Stage

KILL: Final = "worker killed"
SLOW: Final = "broker slow"
SILENT_DATABASE: Final = "connections to PostgreSQL silent"
SILENT_BROKER: Final = "connections to RabbitMQ silent"
WEIGHTS: Final = {
    KILL: 100,
    "database killed": 2,
    "database restarted at once": 2,
    "broker killed": 2,
    "backends terminated": 4,
    "broker closed all connections": 2,
    SILENT_DATABASE: 2,
    SILENT_BROKER: 2,
    SLOW: 2,
}
"""How often each fault is drawn; the others follow from the number of kills."""
TERMINATE: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'session_store_worker'"
)
SILENT_SECONDS: Final = 20.0  # a worker leaves a silent connection within 10 s (database) or 15 s (broker)
NOTICES: Final = ("storage.silent", "broker.silent")
BURSTS: Final = 10


class RandomFaults:
    """Causes faults in an installation and keeps its replicas running; a context manager.

    Half of the workers connect through proxies, whose connections can become silent.
    """

    def __init__(self, stage: Stage, replicas: int) -> None:
        self._stage = stage
        self._replicas = replicas
        self._draw = random.Random(stage.seed)
        self._database = Proxy(LOOPBACK, stage.postgres.port)
        self._broker = Proxy(LOOPBACK, stage.rabbit.port)
        self._proxied: list[Replica] = []
        self.done: Counter[str] = Counter()
        self.silenced: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        """Start the proxies and the replicas."""
        await asyncio.gather(self._database.start(), self._broker.start())
        await self._replenish()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the proxies."""
        await asyncio.gather(self._database.stop(), self._broker.stop())

    async def cause_one(self) -> None:
        """Cause a drawn fault, which has ended or ends by itself, and replace the replicas that ended."""
        (fault,) = self._draw.choices(list(WEIGHTS), list(WEIGHTS.values()))
        await self.cause(fault)

    async def cause(self, fault: str) -> None:
        """Cause this fault, count it, and replace the replicas that ended."""
        match fault:
            case "worker killed":
                await self._draw.choice(self._stage.running).kill()
            case "connections to PostgreSQL silent":
                await self._silence(fault, self._database)
            case "connections to RabbitMQ silent":
                await self._silence(fault, self._broker)
            case "broker slow":
                await self._slow_down()
            case _:
                await asyncio.to_thread(self._break_server, fault)
                self._follow()
        self.done[fault] += 1
        await self._replenish()

    def end_silence(self) -> None:
        """Reset the forgotten connections, as a machine that answers for them again."""
        self._database.reset_forgotten()
        self._broker.reset_forgotten()

    def lines(self) -> list[str]:
        """Return aligned lines: the counts of each fault, of silent connections, and of workers' notices."""
        kinds = [f"{fault:<34}{number:>6}" for fault, number in sorted(self.done.items())]
        silent = [f"{fault + ': in all':<44}{number:>6}" for fault, number in sorted(self.silenced.items())]
        return [*kinds, *silent, *[f"{'logged ' + event:<34}{self._count(event):>6}" for event in NOTICES]]

    def _count(self, event: str) -> int:
        return sum(replica.count(event) for replica in self._stage.replicas)

    def _break_server(self, fault: str) -> None:
        postgres, rabbit = self._stage.postgres, self._stage.rabbit
        match fault:
            case "database killed":
                postgres.kill()
                postgres.start()
            case "database restarted at once":
                postgres.restart("immediate")
            case "broker killed":
                rabbit.restart("kill")
            case "backends terminated":
                postgres.psql(TERMINATE)
            case "broker closed all connections":
                rabbit.ctl("close_all_connections", "chaos")

    def _follow(self) -> None:
        """Connect to the servers' current ports: a port may have been taken while a server was away."""
        self._stage.producer.follow(self._stage.rabbit.url)
        self._database.follow(self._stage.postgres.port)
        self._broker.follow(self._stage.rabbit.port)

    async def _silence(self, fault: str, proxy: Proxy) -> None:
        """Have the proxy forget its connections, and wait until some of the workers may have noticed."""
        self.end_silence()
        self.silenced[fault] += proxy.forget()
        await asyncio.sleep(self._draw.uniform(0, SILENT_SECONDS))

    async def _slow_down(self) -> None:
        """Let the broker work in short bursts only, and kill a worker after some of them."""
        rabbit = self._stage.rabbit
        for _ in range(BURSTS):
            await asyncio.to_thread(rabbit.freeze)
            try:
                await asyncio.sleep(self._draw.uniform(0.1, 0.5))
            finally:
                await asyncio.to_thread(rabbit.thaw)
            await asyncio.sleep(self._draw.uniform(0.01, 0.1))
            if self._draw.random() < 0.3:
                await self.cause(KILL)

    async def _replenish(self) -> None:
        while len(self._stage.running) < self._replicas:
            if sum(replica.is_running for replica in self._proxied) < self._replicas // 2:
                self._proxied.append(await self._start(self._database.port, self._broker.port))
            else:
                await self._start(None, None)

    async def _start(self, database_port: int | None, broker_port: int | None) -> Replica:
        return await self._stage.start_replica(
            ready=False,
            DATABASE_URL=self._stage.database_url(database_port),
            AMQP_URL=self._stage.amqp_url(broker_port),
        )
