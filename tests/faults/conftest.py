"""The stage of each fault test, and the seed that chooses its faults: `FAULT_SEED=… pytest tests/faults`."""

import os
import random
import secrets
from collections.abc import AsyncIterator
from zlib import crc32

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.faults.stage import Stage

_CHOSEN = int(os.environ.get("FAULT_SEED") or secrets.randbelow(10**9))


@pytest.fixture
def fault_seed(request: pytest.FixtureRequest) -> int:
    """Return the test's seed, made of the run's, which is printed with every failure."""
    print(f"FAULT_SEED={_CHOSEN}")
    return crc32(f"{_CHOSEN} {request.node.nodeid}".encode())


@pytest.fixture
def draw(fault_seed: int) -> random.Random:
    """Return what the test draws its faults from."""
    return random.Random(fault_seed)


@pytest.fixture
async def stage(
    own_postgres: PostgresServer,
    own_rabbit: RabbitServer,
    own_database_url: str,
    own_prefix: str,
    fault_seed: int,
) -> AsyncIterator[Stage]:
    """Yield an installation of this test alone on servers that this module may stop, kill and freeze."""
    stage = Stage(own_postgres, own_rabbit, own_database_url.rpartition("/")[2], own_prefix, fault_seed)
    await stage.prepare()
    yield stage
    await stage.close()
