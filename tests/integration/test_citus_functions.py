"""The functions of the Citus layout decide like those of the other layouts, on a PostgreSQL without Citus.

`make test-citus` tests the distribution over nodes.
"""

import random
from collections.abc import Iterator

import asyncpg
import pytest

from deploy.local.postgres import PostgresServer
from tests.bench.writing import writing
from tests.citus.test_writer import (
    ROUNDS,
    some_events,
    test_an_erasure_holds_and_waits_for_those_who_store,
    test_the_database_and_the_worker_put_a_session_into_one_bucket,
)
from tests.integration.test_interleavings import (
    director,
    stage,
    test_a_transaction_that_is_rolled_back_leaves_no_trace,
    test_two_writes_that_expect_the_same_revision,
    test_write_write_delete,
)
from tests.integration.test_order_law import (
    connections,
    test_a_late_write_never_brings_a_deleted_session_back,
    test_a_rewritten_session_keeps_its_creation_time,
    test_a_session_may_be_in_a_call_only_once,
    test_an_empty_call_does_nothing,
    test_an_id_that_is_too_long_is_refused_and_never_cut,
    test_any_order_and_any_repetition_end_in_the_same_state,
    test_every_outcome_is_the_models,
    test_many_connections_at_once_apply_each_event_once_and_in_order,
    test_plans_made_on_small_tables_do_not_scan_them,
)
from tests.support.servers.layouts import CITUS, Templates, on_layout
from tests.support.servers.running import database_copy

__all__ = [
    "connections",
    "director",
    "stage",
    "test_a_late_write_never_brings_a_deleted_session_back",
    "test_a_rewritten_session_keeps_its_creation_time",
    "test_a_session_may_be_in_a_call_only_once",
    "test_a_transaction_that_is_rolled_back_leaves_no_trace",
    "test_an_empty_call_does_nothing",
    "test_an_erasure_holds_and_waits_for_those_who_store",
    "test_an_id_that_is_too_long_is_refused_and_never_cut",
    "test_any_order_and_any_repetition_end_in_the_same_state",
    "test_every_outcome_is_the_models",
    "test_many_connections_at_once_apply_each_event_once_and_in_order",
    "test_plans_made_on_small_tables_do_not_scan_them",
    "test_the_database_and_the_worker_put_a_session_into_one_bucket",
    "test_two_writes_that_expect_the_same_revision",
    "test_write_write_delete",
]


pytestmark = on_layout(CITUS)


@pytest.fixture
def plain_url(postgres_server: PostgresServer, templates: Templates) -> Iterator[str]:
    """Yield the URL of a database with the sessions in one table."""
    yield from database_copy(postgres_server, templates.name_of(postgres_server, "plain"))


@pytest.mark.parametrize("by_bucket", [True, False], ids=["a call a bucket", "one call"])
async def test_a_writer_gets_the_answers_of_the_plain_layout(
    database_url: str, plain_url: str, by_bucket: bool
) -> None:
    chance = random.Random(7)
    async with writing(plain_url) as plain, writing(database_url, citus=by_bucket) as spread:
        for _ in range(ROUNDS):
            rounds = [some_events(chance) for _ in range(chance.randrange(1, 4))]
            assert await spread.apply(rounds) == await plain.apply(rounds)


async def test_the_law_runs_with_the_rights_of_its_caller(connection: asyncpg.Connection) -> None:
    """Citus logs in to the other nodes as the role that runs a statement, and the owner does not log in."""
    rights = "SELECT prosecdef FROM pg_proc WHERE oid = 'apply_session_events'::regproc"
    assert await connection.fetchval(rights) is False
