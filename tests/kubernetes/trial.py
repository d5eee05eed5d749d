"""The base on a cluster under load: one disturbance after the other, with the result of each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from contracts.client import SessionStore
from sql.logins import WORKER
from tests.field.load import Load
from tests.kubernetes.cluster import Failed
from tests.kubernetes.printed import INSTALL, PASSWORD, UPGRADE, Printed
from tests.kubernetes.servers import Servers
from tests.kubernetes.workers import Workers

WRITES_BETWEEN: Final = 100
CALL_SECONDS: Final = 600.0
"""A write waits while the database is away."""


@dataclass(slots=True)
class Trial:
    """The steps of a trial, and the promises that were broken."""

    servers: Servers
    workers: Workers
    printed: Printed
    wrong: list[str] = field(default_factory=list)

    async def run(self) -> list[str]:
        """Return the broken promises, none if all were kept; prints a line for each step. Raises Failed."""
        await self._timed("servers started", self.servers.start)
        await self._timed("base installed by the printed commands", lambda: self.printed.run(INSTALL))
        await self._timed("workers ready", self.workers.settled)
        async with self.servers.engine_url() as url, SessionStore(url, timeout=CALL_SECONDS) as store:
            async with Load(store) as load:
                await load.advance(WRITES_BETWEEN)
                await self._disturb(load)
            lost = await load.lost()
        print(f"{load.written} writes acknowledged, {len(load.failures)} failed, {len(lost)} sessions lost")
        self.wrong += [f"a write failed: {each}" for each in load.failures[:5]]
        self.wrong += [f"not as it was acknowledged: {each}" for each in lost[:5]]
        return self.wrong

    async def _disturb(self, load: Load) -> None:
        steps: list[tuple[str, Callable[[], Awaitable[object]], bool]] = [
            ("rolling update", self.workers.roll, True),
            ("each worker evicted", self._evict_each, True),
            ("database away", self._lose_database, False),
            ("password changed by the printed commands", self._change_password, False),
            ("upgrade by the printed commands", lambda: self.printed.run(UPGRADE), False),
            ("nightly jobs", self._run_jobs, False),
        ]
        for name, step, keeps_deliveries in steps:
            before = await self.servers.count_redelivered()
            await self._timed(name, step)
            await load.advance(WRITES_BETWEEN)
            redelivered = await self.servers.count_redelivered() - before
            print(f"{'':>10}  {redelivered} redelivered")
            if keeps_deliveries and redelivered:
                self.wrong.append(f"{name}: {redelivered} redelivered")

    async def _evict_each(self) -> None:
        """Evict one worker after the other; the disruption budget must refuse a second one meanwhile."""
        for pod in await self.workers.settled():
            others = [each for each in await self.workers.settled() if each != pod]
            await self.workers.evict_once_allowed(pod)
            if await self.workers.evict(others[0]):
                self.wrong.append(f"{others[0]} was evicted beside {pod}")
        await self.workers.settled()

    async def _lose_database(self) -> None:
        """Stop the database until no worker is ready; no worker may be restarted for it."""
        before = await self.workers.settled()
        await self.servers.stop_postgres()
        await self.workers.become("Ready=false")
        await self.servers.start_postgres()
        if (after := await self.workers.settled()) != before:
            self.wrong.append(f"workers were restarted while the database was away: {before}, then {after}")

    async def _change_password(self) -> None:
        """Change the workers' password at both servers; PostgreSQL must refuse the old one afterwards."""
        old = self.servers.password("postgres", WORKER)
        await self.printed.run(PASSWORD)
        await self.workers.settled()
        if await self.servers.lets_in(WORKER, old):
            self.wrong.append("the old password still logs in")
        if not await self.servers.lets_in(WORKER, self.servers.password("postgres", WORKER)):
            self.wrong.append("the new password does not log in")

    async def _run_jobs(self) -> None:
        """Run the job of retention, convert the sessions to partitions, and run the job of partitions."""
        await self.workers.run_job("retain-once", "session-store-retain")
        await self.workers.run_job("convert-once", "session-store-partition", ["partition", "convert"])
        await self.workers.run_job("partition-once", "session-store-partition")

    async def _timed(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        began = monotonic()
        try:
            await step()
        except TimeoutError as error:
            raise Failed(f"{name}: not in time") from error
        print(f"{monotonic() - began:8.1f} s  {name}", flush=True)
