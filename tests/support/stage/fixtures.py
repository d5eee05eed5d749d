"""The stage of a test, and the seed that chooses its events and faults: `FAULT_SEED=… pytest tests/faults`."""

import os
import random
import secrets
from collections.abc import AsyncIterator, Callable
from zlib import crc32

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.patience import allowed_seconds
from tests.support.stage.stage import Stage

BACK_SECONDS = 10.0
_CHOSEN = int(os.environ.get("FAULT_SEED") or secrets.randbelow(10**9))


@pytest.fixture
def fault_seed(request: pytest.FixtureRequest) -> int:
    """Return the test's seed, derived from the run's seed, which is printed with every failure."""
    print(f"FAULT_SEED={_CHOSEN}")
    return crc32(f"{_CHOSEN} {request.node.nodeid}".encode())


@pytest.fixture
def draw(fault_seed: int) -> random.Random:
    """Return the random generator for the test's faults."""
    return random.Random(fault_seed)


@pytest.fixture
async def stage(
    breakable_postgres: PostgresServer,
    breakable_rabbit: RabbitServer,
    breakable_database_url: str,
    breakable_prefix: str,
    fault_seed: int,
) -> AsyncIterator[Stage]:
    """Yield an installation of this test alone on servers that it may stop, kill and freeze."""
    database = breakable_database_url.rpartition("/")[2]
    stage = Stage(breakable_postgres, breakable_rabbit, database, breakable_prefix, fault_seed)
    await stage.prepare()
    yield stage
    await stage.close()


@pytest.fixture
def back_in_time(record_property: Callable[[str, object], None]) -> Callable[[float], None]:
    """Return a function that records the seconds of a recovery, and checks them by the machine's load."""

    def check(seconds: float) -> None:
        record_property("back_seconds", round(seconds, 2))
        assert seconds < allowed_seconds(BACK_SECONDS)

    return check


@pytest.fixture
async def calm_stage(
    postgres_server: PostgresServer,
    rabbit_server: RabbitServer,
    database_url: str,
    prefix: str,
    fault_seed: int,
) -> AsyncIterator[Stage]:
    """Yield an installation of this test alone on the shared servers: the test kills workers and clients only."""
    stage = Stage(postgres_server, rabbit_server, database_url.rpartition("/")[2], prefix, fault_seed)
    await stage.prepare(calm=True)
    yield stage
    await stage.close()
