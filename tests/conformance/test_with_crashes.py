"""Moves, completions and deletes that succeeded are kept, though workers die at each point of a batch."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Final

import pytest
import pytest_asyncio

from contracts.client import SessionStore
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.conformance.moves import CALLS
from tests.conformance.test_python import CASES
from tests.conformance.test_python import test_the_python_client_conforms as check_case
from tests.support.programs.installation import Variables, shared_installation
from tests.support.programs.replica import Replica
from tests.support.selection import long
from tests.typescript.node import built, run_node
from worker.failpoint import Failpoint

__all__ = ["built"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

OVERLAPPING: Final = [case for case in CASES if any(step["call"] in CALLS for step in case["steps"])]
BATCHES: Final = 3  # a worker settles these, and is killed at the next one
REPLICAS: Final = 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    postgres_server: PostgresServer, rabbit_server: RabbitServer, template_database: str
) -> AsyncIterator[Variables]:
    """Yield the variables of an installation without a worker of its own."""
    keyless = {"SESSION_STORE_SIGNING_KEYS": ""}
    async with shared_installation(
        postgres_server, rabbit_server, template_database, keyless, workers=0
    ) as variables:
        yield variables


class DyingWorkers:
    """Replicas that are killed, each at the next point of a batch, and replaced; counts the deaths at each point."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._points = cycle(Failpoint)
        self.deaths: Counter[Failpoint] = Counter()

    async def run(self) -> None:
        """Replace one replica after the other, until cancelled."""
        while True:
            point = next(self._points)
            replica = await Replica.start(
                {**self._variables, "SESSION_STORE_FAILPOINT": f"{point.value}:{BATCHES + 1}"}
            )
            try:
                await replica.ended(timeout=60)
                self.deaths[point] += 1
            finally:
                await replica.kill()


@asynccontextmanager
async def dying_workers(variables: Variables) -> AsyncIterator[DyingWorkers]:
    workers = DyingWorkers(variables)
    running = [asyncio.create_task(workers.run()) for _ in range(REPLICAS)]
    yield workers
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


@long("the other client makes the same calls by `update`")
@pytest.mark.timeout(400)
async def test_what_a_caller_of_the_python_client_was_told_holds(served: Variables) -> None:
    url, prefix = served["AMQP_URL"], served["SESSION_STORE_PREFIX"]
    async with dying_workers(served) as workers, SessionStore(url, prefix=prefix, timeout=60) as store:
        while set(workers.deaths) < set(Failpoint):
            await asyncio.gather(*(check_case(store, case) for case in OVERLAPPING))


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("built")
async def test_what_a_caller_of_the_typescript_client_was_told_holds(served: Variables) -> None:
    names = "|".join(str(case["name"]) for case in OVERLAPPING)
    async with dying_workers(served) as workers:
        while set(workers.deaths) < set(Failpoint):
            check_cases = ("npx", "vitest", "run", "test/conformance.test.ts", "-t", names)
            await asyncio.to_thread(run_node, *check_cases, variables=served)
