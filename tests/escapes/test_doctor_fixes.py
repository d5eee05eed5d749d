"""The doctor's fixes for the users of an installation give no login more than its rights."""

import shlex

import pytest

from contracts.access import ADMIN, ENGINE, EVENTS_VHOST, RPC_VHOST, WORKER, permissions_in
from tests.escapes.walls import TOPOLOGY, Walls
from tests.support.programs.patient import Findings, examine
from worker.doctor.finding import State


async def look(walls: Walls, amqp_url: str) -> Findings:
    return await examine({"DATABASE_URL": walls.database_url(), "AMQP_URL": amqp_url})


@pytest.mark.parametrize("user", [ENGINE, ADMIN])
async def test_a_user_that_is_for_something_else_is_not_given_a_workers_rights(
    walls: Walls, user: str
) -> None:
    found = (await look(walls, walls.amqp_url(user)))["broker.alarms"]
    assert found.state is State.ERROR
    assert found.fix == f"{user} is not a worker's user: {WORKER} in AMQP_URL"


async def test_a_worker_that_lacks_a_permission_is_given_a_workers(walls: Walls) -> None:
    walls.rabbit.ctl("set_permissions", "--vhost", EVENTS_VHOST, WORKER, "^$", "^$", ".*")
    found = (await look(walls, walls.amqp_url(WORKER)))["broker.alarms"]
    words = shlex.split(found.fix or "")
    may = permissions_in(EVENTS_VHOST, TOPOLOGY)[WORKER]
    assert words[-3:] == [may.configure, may.write, may.read]
    walls.rabbit.ctl(*words[1:])
    assert (await look(walls, walls.amqp_url(WORKER)))["broker.alarms"].state is State.OK


async def test_a_user_without_entry_is_let_in_by_the_installations_own_file(walls: Walls) -> None:
    found = (await look(walls, walls.amqp_url(ADMIN, RPC_VHOST)))["broker.login"]
    assert "access to vhost 'session-store-rpc' refused" in found.message
    assert found.fix == "deploy/rabbitmq/import.sh deploy/rabbitmq/installation.json"
    found = (await look(walls, walls.amqp_url(WORKER, "/")))["broker.login"]
    assert found.fix == (
        "the virtual host session-store, or that of the callers, session-store-rpc, in AMQP_URL"
    )
