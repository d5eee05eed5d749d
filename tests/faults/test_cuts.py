"""Cut at every byte: the connection to PostgreSQL or RabbitMQ breaks anywhere in a batch's conversation."""

import pytest

from deploy.local.ports import LOOPBACK
from tests.support.servers.proxy import Proxy
from tests.support.stage.cuts import cut_everywhere
from tests.support.stage.stage import Stage

SAMPLES = 12  # places a direction; `make chaos OPTIONS=--cuts` takes every byte


@pytest.mark.timeout(240)
async def test_a_cut_anywhere_on_the_way_to_the_database_costs_nothing(stage: Stage) -> None:
    async with Proxy(LOOPBACK, stage.postgres.port) as proxy:
        await stage.start_replica(DATABASE_URL=stage.database_url(proxy.port))
        assert await cut_everywhere(stage, proxy, SAMPLES) >= SAMPLES
        report = await stage.finish()
    assert report.is_clean, report


@pytest.mark.timeout(240)
async def test_a_cut_anywhere_on_the_way_to_the_broker_costs_nothing(stage: Stage) -> None:
    async with Proxy(LOOPBACK, stage.rabbit.port) as proxy:
        await stage.start_replica(AMQP_URL=stage.amqp_url(proxy.port))
        assert await cut_everywhere(stage, proxy, SAMPLES) >= SAMPLES
        report = await stage.finish()
    assert report.is_clean, report
