"""Every alert fires in a real Prometheus once the test causes its condition, and clears by itself.

Some values are lower than in production: Prometheus looks every half second and no rule has a `for`. Windows
are seconds (`WINDOWS`, 10 s where none is named), and three limits are lower (`LIMITS`).
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Final
from uuid import uuid4

import asyncpg
import orjson

from deploy.local.ports import LOOPBACK, choose_port
from tests.support.programs.installation import executed_workers
from tests.support.programs.replica import Replica
from tests.support.selection import long
from tests.support.servers.prometheus import Prometheus, rules, watching
from tests.support.stage.caller import Caller
from tests.support.stage.events import spoil
from tests.support.stage.history import Sent
from tests.support.stage.stage import Stage
from tests.support.stage.stream import Mix

__all__ = ["executed_workers"]  # a fixture: the memory of a forked worker is not the product's

WINDOWS: Final = {"SessionStoreRestarting": "30s"}
LIMITS: Final = {
    "SessionStoreBacklog": "1000",  # 10,000 events
    "SessionStoreLagging": "3",  # 30 s
    "SessionStoreMemoryHigh": "100e6",  # 700 MB; an idle worker has 75
}
NOT_CAUSED: Final[dict[str, str]] = {}
"""Alerts that this test does not cause, each with the reason."""
DOWN: Final = "SessionStoreDown"
DATABASE_AWAY: Final = "SessionStoreDatabaseAway"
MEMORY: Final = "SessionStoreMemoryHigh"
SHOWN_SECONDS: Final = 15.0
LARGE_EVENTS: Final = 80
QUESTIONS: Final = 12


@dataclass(slots=True)
class Scene:
    """One worker under watch, a caller, and the stage they are on."""

    stage: Stage
    prometheus: Prometheus
    caller: Caller
    port: int

    @property
    def replica(self) -> Replica:
        return self.stage.replicas[-1]

    async def ctl(self, *words: str) -> None:
        await asyncio.to_thread(self.stage.rabbit.ctl, *words)

    async def start_worker(self, **more: str) -> None:
        variables = {"SESSION_STORE_HTTP_PORT": str(self.port), "SESSION_STORE_POOL_SIZE": "3", **more}
        await self.stage.start_replica(variables, ready=False, SESSION_STORE_PATIENCE_S="1")
        await self.prometheus.until_true('up{job="session-store"} == 1')
        await self.prometheus.until_silent([DOWN])

    async def publish(self, *events: Sent) -> None:
        await self.stage.producer.publish(events)

    def make_event(self, size: int = 0) -> Sent:
        """Return a valid write to a new session, of at least this many bytes."""
        event = replace(self.stage.make_probe(), asks=False)
        if not size:
            return event
        document = orjson.loads(event.body)
        document["data"]["session"]["filling"] = "x" * size
        return replace(event, body=orjson.dumps(document))


@asynccontextmanager
async def worker_killed_again_and_again(scene: Scene) -> AsyncIterator[None]:
    for _ in range(4):
        await scene.replica.kill()
        await scene.prometheus.until_firing([DOWN])
        await scene.start_worker()
    yield
    await scene.replica.logged("broker.connected")
    await scene.prometheus.until_true("session_store_ready == 1")


@asynccontextmanager
async def replies_refused(scene: Scene) -> AsyncIterator[None]:
    """Refuse more connections before the first reply, for which the worker opens a connection."""
    await scene.publish(scene.make_event())
    await scene.ctl("set_vhost_limits", "-p", "/", '{"max-connections": 0}')
    await scene.publish(replace(scene.make_event(), asks=True))
    yield
    await scene.ctl("clear_vhost_limits", "-p", "/")


@asynccontextmanager
async def table_locked(scene: Scene) -> AsyncIterator[None]:
    """Lock the table, and publish large events and one bad event meanwhile."""
    locking = await asyncpg.connect(scene.stage.postgres.url_of(scene.stage.database))
    transaction = locking.transaction()
    await transaction.start()
    await locking.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
    bad = replace(spoil(scene.stage.make_probe(), scene.stage.draw), asks=False)
    await scene.publish(scene.make_event(), bad)
    await scene.publish(*(scene.make_event(1_000_000) for _ in range(LARGE_EVENTS)))
    for _ in range(QUESTIONS):
        await scene.caller.send("session.query", seconds=30)
        await scene.caller.send("session.read", seconds=30, sessionId=str(uuid4()))
    yield
    await scene.ctl("set_vm_memory_high_watermark", "0")
    await transaction.rollback()
    await locking.close()


@asynccontextmanager
async def broker_short_of_memory(scene: Scene) -> AsyncIterator[None]:
    """Keep the broker short of memory, since before the lock was released, while a dead letter is due."""
    yield
    await scene.ctl("set_vm_memory_high_watermark", "0.4")


@asynccontextmanager
async def bad_event_refused(_: Scene) -> AsyncIterator[None]:
    """Cause nothing: the bad event of `table_locked` waits in the dead-letter queue from now on."""
    yield


@asynccontextmanager
async def database_stopped(scene: Scene) -> AsyncIterator[None]:
    await asyncio.to_thread(scene.stage.postgres.stop)
    stopped = monotonic()
    await scene.prometheus.until_firing([DATABASE_AWAY])
    assert monotonic() - stopped < SHOWN_SECONDS
    for _ in range(QUESTIONS):
        await scene.caller.send("session.read", sessionId=str(uuid4()))
    await scene.stage.producer.publish(scene.stage.events(3000, Mix(invalid=0, conditional=0)))
    yield
    await asyncio.to_thread(scene.stage.postgres.start)
    await scene.prometheus.until_silent([DATABASE_AWAY, "SessionStoreNotReady", "SessionStorePaused"])
    dead = scene.stage.topology.dead_queue.name
    await scene.ctl("purge_queue", dead)


@asynccontextmanager
async def broker_stopped(scene: Scene) -> AsyncIterator[None]:
    await asyncio.to_thread(scene.stage.rabbit.stop)
    yield
    await asyncio.to_thread(scene.stage.rabbit.start)


@asynccontextmanager
async def worker_stalled(scene: Scene) -> AsyncIterator[None]:
    scene.replica.send(signal.SIGSTOP)
    await asyncio.sleep(4)
    scene.replica.send(signal.SIGCONT)
    yield


@asynccontextmanager
async def event_unsigned(scene: Scene) -> AsyncIterator[None]:
    """Start a worker that verifies signatures; it stays, so the silence afterwards clears the alert."""
    await scene.replica.kill()
    await scene.start_worker(SESSION_STORE_SIGNATURES="warn", SESSION_STORE_SIGNING_KEYS=f"k1:{'k' * 32}")
    await scene.prometheus.until_true('session_store_bad_signatures_total{reason="unsigned"} == 0')
    await scene.publish(scene.make_event())
    yield


@asynccontextmanager
async def caller_behind(scene: Scene) -> AsyncIterator[None]:
    scene.caller.clock_ahead = -3600
    await scene.caller.send("session.read", sessionId=str(uuid4()))
    scene.caller.clock_ahead = 0
    yield


Cause = Callable[[Scene], AbstractAsyncContextManager[None]]

CAUSES: Final[dict[Cause, tuple[str, ...]]] = {
    worker_killed_again_and_again: ("SessionStoreRestarting",),
    replies_refused: ("SessionStoreRepliesDropped",),
    table_locked: ("SessionStoreLagging", "SessionStorePoolExhausted", "SessionStoreMemoryHigh"),
    broker_short_of_memory: ("SessionStoreBrokerBlocked", "SessionStoreAnswersSlow"),
    bad_event_refused: ("SessionStoreEventsRefused",),
    database_stopped: (
        "SessionStoreNotReady",
        "SessionStorePaused",
        "SessionStoreNoConsumers",
        "SessionStoreAnswersFail",
        "SessionStoreBacklog",
        "SessionStoreDeadLetters",
    ),
    broker_stopped: ("SessionStoreBrokerAway",),
    worker_stalled: ("SessionStoreLoopDelayed",),
    event_unsigned: ("SessionStoreBadSignatures",),
    caller_behind: ("SessionStoreClocksDiffer",),
}


@asynccontextmanager
async def watched(stage: Stage, directory: Path) -> AsyncIterator[Scene]:
    """Yield a worker under watch."""
    port = choose_port()
    caller = Caller(stage.rabbit.url, stage.topology)
    async with watching(directory, f"{LOOPBACK}:{port}", WINDOWS, LIMITS) as prometheus:
        scene = Scene(stage, prometheus, caller, port)
        await scene.start_worker()
        yield scene
    await caller.close()


async def test_an_alert_fires_by_what_it_watches_and_clears(stage: Stage, tmp_path: Path) -> None:
    async with watched(stage, tmp_path) as scene:
        await asyncio.to_thread(stage.postgres.stop)
        await scene.prometheus.until_firing([DATABASE_AWAY])
        await asyncio.to_thread(stage.postgres.start)
        await scene.prometheus.until_silent([DATABASE_AWAY])


@long("every alert in turn takes a minute; one alert is tried by each change")
async def test_every_alert_fires_by_what_it_watches_and_clears(stage: Stage, tmp_path: Path) -> None:
    async with watched(stage, tmp_path) as scene:
        prometheus = scene.prometheus
        for cause, alerts in CAUSES.items():
            began = monotonic()
            async with cause(scene):
                await prometheus.until_firing(alerts)
            print(f"{monotonic() - began:5.1f} s  {cause.__name__}")
        await stage.producer.ask(stage.make_probe())
        await prometheus.until_silent(prometheus.seen - {MEMORY})
        await scene.replica.kill()  # the memory is freed with the process
        await scene.start_worker()
        await prometheus.until_silent([MEMORY])
    assert prometheus.seen | NOT_CAUSED.keys() == {rule["alert"] for rule in rules()}
