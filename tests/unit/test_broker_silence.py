"""The watch over connections to the broker: which ones it judges silent, and cuts."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

from worker.broker.connection import FilteredConnection
from worker.broker.silence import QUIET_TICKS, end_silent_connections
from worker.errors import BrokerUnavailable


class Connection:
    """A fake connection; `frames.chunks` counts the chunks that have arrived."""

    def __init__(self) -> None:
        self.name = "consume"
        self.frames = SimpleNamespace(chunks=1)
        self.is_cut = False

    def abort(self) -> None:
        self.is_cut = True


async def watched(
    connections: list[Connection], probe: Callable[[], Awaitable[None]], looks: int = 3
) -> None:
    """Run the watch until it has tried this many new connections, or has cut all connections."""
    tries = 0
    over = asyncio.Event()

    async def counted() -> None:
        nonlocal tries
        tries += 1
        if tries > looks:
            over.set()
        await probe()

    def listed() -> list[FilteredConnection]:
        left = [each for each in connections if not each.is_cut]
        if not left:
            over.set()
        return cast(list[FilteredConnection], left)

    watch = asyncio.create_task(end_silent_connections(listed, counted, tick=0.0))
    await over.wait()
    watch.cancel()


async def test_a_connection_on_which_nothing_comes_is_cut_when_a_new_one_works() -> None:
    silent = Connection()
    await watched([silent], succeed)
    assert silent.is_cut


async def test_no_connection_is_cut_while_new_ones_do_not_work() -> None:
    silent = Connection()
    await watched([silent], refuse)
    assert not silent.is_cut


async def test_a_connection_on_which_something_comes_meanwhile_is_kept() -> None:
    late = Connection()

    async def hear() -> None:
        late.frames.chunks += 1

    await watched([late], hear)
    assert not late.is_cut


async def test_a_connection_is_asked_about_after_six_quiet_ticks(monkeypatch: Any) -> None:
    ticks = 0
    sleep = asyncio.sleep

    async def count(seconds: float) -> None:
        nonlocal ticks
        ticks += 1
        await sleep(seconds)

    monkeypatch.setattr("worker.broker.silence.asyncio.sleep", count)
    await watched([Connection()], succeed)
    assert ticks >= QUIET_TICKS


async def succeed() -> None:
    """Connect."""


async def refuse() -> None:
    """Do not connect."""
    raise BrokerUnavailable("frozen")
