"""Connections that a machine in between silently forgets, while new connections work at once."""

import asyncio
from time import monotonic
from typing import Final

from deploy.local.ports import LOOPBACK
from tests.support.patience import allowed_seconds
from tests.support.selection import long
from tests.support.servers.proxy import Proxy
from tests.support.stage.caller import Caller
from tests.support.stage.stage import Stage

BACK_SECONDS: Final = 10.0
REDELIVERED_SECONDS: Final = 15.0  # the broker itself has to miss heartbeats of the forgotten connection
ASK_SECONDS: Final = 2.0


async def seconds_to_an_answer(caller: Caller) -> float:
    """Return the seconds until a request is answered from the database; it is repeated every 2 s."""
    begun = monotonic()
    while True:
        reply = await caller.ask("session.count", ASK_SECONDS, filter={"playerId": "nobody"})
        if reply and "result" in reply:
            return monotonic() - begun


async def seconds_after_forgetting(stage: Stage, caller: Caller, proxy: Proxy) -> float:
    """Have the proxy forget its connections under load; return the seconds until writes and reads succeed."""
    await asyncio.gather(stage.probe(), seconds_to_an_answer(caller))
    publishing = asyncio.create_task(stage.publish(1000, rate=200))
    proxy.forget()
    back = max(await asyncio.gather(stage.probe(), seconds_to_an_answer(caller)))
    await publishing
    return back


async def test_forgotten_connections_to_the_database_are_left_within_10_s(stage: Stage) -> None:
    caller = Caller(stage.rabbit.url, stage.topology)
    async with Proxy(LOOPBACK, stage.postgres.port) as proxy:
        replica = await stage.start_replica(DATABASE_URL=stage.database_url(proxy.port))
        assert await seconds_after_forgetting(stage, caller, proxy) < allowed_seconds(BACK_SECONDS)
        assert (await replica.logged("storage.silent"))["connections"] > 0
        report = await stage.finish()
    await caller.close()
    assert report.is_clean, report


async def test_a_call_that_a_lock_delays_is_no_silent_connection(stage: Stage) -> None:
    caller = Caller(stage.rabbit.url, stage.topology)
    replica = await stage.start_replica()
    await stage.probe()
    async with stage.locked("session_ledger"):
        probing = asyncio.create_task(stage.probe())
        reply = await caller.ask("session.read", 1.0, sessionId="sess_1", minRevision=1)
        assert reply is None or "error" in reply
        done, _ = await asyncio.wait((probing,), timeout=5)
        assert not done
    await probing
    await caller.close()
    assert replica.count("storage.silent") == 0
    assert "connection lost" not in [line.get("reason") for line in replica.log]
    report = await stage.finish()
    assert report.is_clean, report


@long("heartbeats are waited for, 15 s; those to the database are tried by each change")
async def test_forgotten_connections_to_the_broker_are_left_within_15_s(stage: Stage) -> None:
    caller = Caller(stage.rabbit.url, stage.topology)
    async with Proxy(LOOPBACK, stage.rabbit.port) as proxy:
        replica = await stage.start_replica(AMQP_URL=stage.amqp_url(proxy.port))
        assert await seconds_after_forgetting(stage, caller, proxy) < allowed_seconds(REDELIVERED_SECONDS)
        await replica.logged("broker.silent")
        await proxy.forgotten_ended()  # until then the broker counts its messages as delivered
        report = await stage.finish()
    await caller.close()
    assert report.is_clean, report
