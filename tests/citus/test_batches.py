"""The cost of a batch by its number of buckets, beside plain PostgreSQL; `make test-citus` prints it."""

from collections.abc import Callable
from typing import Final

import pytest

from deploy.local.postgres import PostgresServer
from tests.bench.writing import batch, rate, writing
from tests.support.servers.running import database_copy

BATCH: Final = 500
BATCHES: Final = 12
LARGE: Final = 10_000


@pytest.fixture
def plain_url(postgres_server: PostgresServer, template_database: str) -> object:
    """Yield the URL of a database of plain PostgreSQL on this machine."""
    yield from database_copy(postgres_server, template_database)


async def test_a_batch_of_one_bucket_is_stored_in_one_task(
    database_url: str, plain_url: str, record_property: Callable[[str, object], None]
) -> None:
    async with (
        writing(plain_url, citus=False) as plain,
        writing(database_url, citus=False) as unaware,
        writing(database_url, citus=True) as aware,
    ):
        rates = {
            "plain PostgreSQL": await rate(plain, [batch(BATCH) for _ in range(BATCHES)]),
            "all buckets, one call": await rate(unaware, [batch(BATCH) for _ in range(BATCHES)]),
            "all buckets, a call each": await rate(aware, [batch(BATCH) for _ in range(BATCHES)]),
            "all buckets, a call each, 10,000 events": await rate(aware, [batch(LARGE) for _ in range(2)]),
            "one bucket": await rate(aware, [batch(BATCH, at % 32) for at in range(BATCHES)]),
        }
    for name, events in rates.items():
        record_property("events_per_second", (name, round(events)))
    assert rates["one bucket"] > 2 * rates["all buckets, one call"]
