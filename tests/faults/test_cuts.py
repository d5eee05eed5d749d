"""Cut at every byte: the connection to PostgreSQL or RabbitMQ breaks anywhere in a batch's conversation."""

import pytest

from deploy.local.ports import LOOPBACK
from tests.support.selection import long
from tests.support.servers.proxy import Proxy
from tests.support.stage.cuts import cut_everywhere
from tests.support.stage.stage import Stage

SOME_PLACES = 3
PLACES = pytest.mark.parametrize(
    "places",
    [
        SOME_PLACES,
        pytest.param(12, marks=long("more places to cut at; `make chaos OPTIONS=--cuts` takes every byte")),
    ],
)
"""The number of places to cut at, for each direction."""


@PLACES
async def test_a_cut_anywhere_on_the_way_to_the_database_costs_nothing(stage: Stage, places: int) -> None:
    async with Proxy(LOOPBACK, stage.postgres.port) as proxy:
        await stage.start_replica(DATABASE_URL=stage.database_url(proxy.port))
        assert await cut_everywhere(stage, proxy, places) >= places
        report = await stage.finish()
    assert report.is_clean, report


@PLACES
async def test_a_cut_anywhere_on_the_way_to_the_broker_costs_nothing(stage: Stage, places: int) -> None:
    async with Proxy(LOOPBACK, stage.rabbit.port) as proxy:
        await stage.start_replica(AMQP_URL=stage.amqp_url(proxy.port))
        assert await cut_everywhere(stage, proxy, places) >= places
        report = await stage.finish()
    assert report.is_clean, report
