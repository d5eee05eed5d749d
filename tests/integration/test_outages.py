"""An outage of the database that outlives broker sessions: no event is delivered again and again."""

from collections.abc import AsyncIterator

import pytest

from tests.support.programs.watched_worker import Installation, install, until
from tests.support.servers.proxy import Proxy

DISK_FULL = """
    CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON session_ledger FOR EACH ROW EXECUTE FUNCTION fill()
"""


@pytest.fixture
async def proxy(amqp_url: str) -> AsyncIterator[Proxy]:
    host, _, port = amqp_url.rpartition("@")[2].strip("/").rpartition(":")
    async with Proxy(host, int(port)) as proxy:
        yield proxy


@pytest.fixture
async def installation(
    database_url: str, amqp_url: str, prefix: str, proxy: Proxy
) -> AsyncIterator[Installation]:
    broker = amqp_url.replace(amqp_url.rpartition(":")[2].strip("/"), str(proxy.port))
    async with install(database_url, amqp_url, prefix, broker) as installation:
        yield installation


async def test_links_lost_during_an_outage_redeliver_each_event_no_more_than_once(
    installation: Installation, proxy: Proxy
) -> None:
    await installation.database.execute(DISK_FULL)
    delivered = len(installation.delivered) + 5
    for number in range(5):
        await installation.write(f"sess {number}")
    await until(lambda: installation.worker.state().serving.storing == "disk full")
    await until(lambda: len(installation.delivered) == delivered)
    for _ in range(3):
        reconnects = installation.worker.state().reconnects
        proxy.cut()
        await until(lambda: installation.worker.state().reconnects > reconnects)  # noqa: B023 - awaited here
        await until(lambda: installation.worker.state().serving.paused)
    assert len(installation.delivered) == delivered
    await installation.database.execute("DROP FUNCTION fill CASCADE")
    await installation.settle()
    assert set(await installation.revisions()) == {f"sess {number}" for number in range(5)}
    assert await installation.dead_letters(0) == []
