"""Several queue sets on one database, by the snippet of docs/scaling.md."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from contracts.topology import Topology
from deploy.local.instance import PROJECT
from tests.integration.test_docs import functions_of
from tests.support.programs.command import run_command
from tests.support.programs.replica import Replica
from tests.support.programs.wheels import client_package, wheels
from tests.support.servers.running import delete_topology

__all__ = ["client_package", "wheels"]

PREFIXES = ("a.", "b.")


@pytest.fixture
async def prefixes(database_url: str, amqp_url: str, prefix: str) -> AsyncIterator[list[str]]:
    """Yield the prefixes of two queue sets, a worker on each, on one database."""
    prefixes, replicas = [prefix + each for each in PREFIXES], []
    for each in prefixes:
        variables = {"DATABASE_URL": database_url, "AMQP_URL": amqp_url, "SESSION_STORE_PREFIX": each}
        assert run_command("topology", variables=variables).returncode == 0
        replicas.append(await Replica.start(variables))
    for replica in replicas:
        await replica.logged("broker.connected")
    yield prefixes
    for replica, each in zip(replicas, prefixes, strict=True):
        await replica.stop()
        await delete_topology(amqp_url, Topology(each))


@pytest.mark.usefixtures("client_package")
async def test_a_sessions_events_go_to_one_set_and_any_set_answers_queries(
    amqp_url: str, prefixes: list[str]
) -> None:
    page: dict[str, Any] = functions_of(PROJECT / "docs" / "scaling.md")
    sets = page["QueueSets"](amqp_url, prefixes)
    ids = [f"sess_{number}" for number in range(20)]
    assert {id(sets.of(each)) for each in ids} == {id(store) for store in sets.stores}
    for store in sets.stores:
        await store.__aenter__()
    for each in ids:
        await page["play"](sets, session_of(each))
    assert [await store.count() for store in sets.stores] == [len(ids)] * len(prefixes)
    for store in sets.stores:
        await store.__aexit__(None, None, None)


def session_of(session_id: str) -> dict[str, object]:
    """Return a session to write."""
    started = "2025-11-07T10:30:00Z"
    return {"sessionId": session_id, "playerId": "p", "encounter": {}, "state": {}, "startedAt": started}
