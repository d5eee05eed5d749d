"""The status of a worker over HTTP while its servers stop and start."""

import asyncio
import re
import socket
from time import monotonic
from typing import Any

import aiohttp

from deploy.local.ports import LOOPBACK
from tests.support.programs.replica import Replica
from tests.support.selection import long
from tests.support.stage.stage import Stage

SHOWN_SECONDS = 15.0
POLL_SECONDS = 0.1
NOBODY = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "AMQP_URL": "amqp://nobody:secret@127.0.0.1:1/",
}


class Status:
    """The HTTP pages of one worker."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{LOOPBACK}:{port}"

    @classmethod
    async def of(cls, replica: Replica) -> "Status":
        return cls((await replica.logged("http.listening"))["port"])

    async def ask(self, path: str) -> tuple[int, str]:
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(self._url + path) as answer,
        ):
            return answer.status, await answer.text()

    async def readiness(self) -> tuple[int, dict[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{self._url}/readyz") as answer,
        ):
            return answer.status, (await answer.json())["reasons"]

    async def metric(self, sample: str) -> float:
        _, text = await self.ask("/metrics")
        found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
        assert found, f"no {sample}"
        return float(found[1])

    async def until_ready(self, *, ready: bool) -> float:
        """Return the seconds until the worker was ready, or was not."""
        started = monotonic()
        async with asyncio.timeout(SHOWN_SECONDS):
            while ((await self.readiness())[0] == 200) != ready:
                await asyncio.sleep(POLL_SECONDS)
        return monotonic() - started


async def test_a_database_that_goes_away_shows_and_one_that_comes_back_clears_it(stage: Stage) -> None:
    status = await Status.of(await stage.start_replica())
    await status.until_ready(ready=True)
    await asyncio.to_thread(stage.postgres.stop)
    await status.until_ready(ready=False)
    assert "database" in (await status.readiness())[1]
    assert (await status.ask("/livez"))[0] == 200
    assert await status.metric("session_store_database_up") == 0
    assert await status.metric('session_store_not_ready{part="database"}') == 1
    assert "not ready" in (await status.ask("/"))[1]
    await asyncio.to_thread(stage.postgres.start)
    await status.until_ready(ready=True)
    assert await status.metric("session_store_database_up") == 1


@long("a database that stops is seen by each change")
async def test_a_frozen_database_shows(stage: Stage) -> None:
    status = await Status.of(await stage.start_replica())
    await status.until_ready(ready=True)
    await asyncio.to_thread(stage.postgres.freeze)
    await status.until_ready(ready=False)
    assert (await status.readiness())[1]["database"] == "timeout"
    await asyncio.to_thread(stage.postgres.thaw)
    await status.until_ready(ready=True)


async def test_a_broker_that_goes_away_shows_and_one_that_comes_back_clears_it(stage: Stage) -> None:
    status = await Status.of(await stage.start_replica())
    await status.until_ready(ready=True)
    await asyncio.to_thread(stage.rabbit.kill)
    await status.until_ready(ready=False)
    assert "broker" in (await status.readiness())[1]
    await asyncio.to_thread(stage.rabbit.start)
    await status.until_ready(ready=True)
    assert await status.metric("session_store_broker_reconnects_total") > 0


async def test_it_answers_before_any_server_does() -> None:
    replica = await Replica.start(NOBODY)
    try:
        status = await Status.of(replica)
        assert (await status.ask("/livez"))[0] == 200
        code, reasons = await status.readiness()
        assert code == 503
        assert "start" in reasons
        assert "secret" not in (await status.ask("/"))[1] + (await status.ask("/metrics"))[1]
    finally:
        await replica.kill()


async def test_a_taken_port_is_said_and_taken_when_it_is_free() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        replica = await Replica.start({**NOBODY, "SESSION_STORE_HTTP_PORT": str(port)})
        assert (await replica.logged("http.not_listening"))["port"] == port
        await replica.logged("storage.unavailable")
    try:
        assert (await replica.logged("http.listening"))["port"] == port
    finally:
        await replica.kill()
