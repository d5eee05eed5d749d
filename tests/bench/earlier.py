"""The worker and an earlier commit's, in turn: events of several sizes, and pages for many callers."""

from pathlib import Path
from typing import Any, Final

from tests.bench.answering import PAGE, over_rpc, until_answered
from tests.bench.caller import ask_all, open_caller
from tests.bench.events import make_events
from tests.bench.peers.roster import Contestant, worker_of
from tests.bench.stand import Command, Stand
from tests.bench.storing import store

SIZES: Final = {2_000: 1.0, 4_000: 0.5, 20_000: 0.25, 200_000: 0.025}
"""Bytes an event, and the share of the usual number of events that is enough."""

CALLERS: Final = 64
PAGES: Final = 640
PAGES_NAME: Final = f"pages of 100, {CALLERS} callers"

Rounds = dict[str, list[dict[str, float | None]]]
"""The figures of each round, by contestant."""


def name_of(size: int) -> str:
    """Return the name of the comparison with events of a size."""
    return f"{size:,} bytes an event"


async def compare(stand: Stand, earlier: Path, number: int, rounds: int) -> dict[str, Rounds]:
    """Return each comparison's rounds of `ours` and `earlier`; the two begin in turn."""
    pair = {"ours": worker_of(), "earlier": worker_of(earlier, "earlier")}
    names = [*map(name_of, SIZES), PAGES_NAME]
    found: dict[str, Rounds] = {name: {who: [] for who in pair} for name in names}
    for turn in range(rounds):
        for who in pair if turn % 2 == 0 else reversed(pair):
            for size, share in SIZES.items():
                await stand.prepare(pair[who].program)
                events = make_events(max(int(number * share), 50), size=size)
                stored = await store(stand, pair[who], events)
                found[name_of(size)][who].append(stored.figures())
            found[PAGES_NAME][who].append({"rate": await _pages(stand, pair[who], number)})
    return found


async def _pages(stand: Stand, worker: Contestant, number: int) -> float:
    """Return the pages a second that a worker answers."""
    await stand.prepare(worker.program)
    await store(stand, worker, make_events(max(number // 10, 100)))
    settings = [f"{name}={value}" for name, value in worker.environment({}).items()]
    command: Command = ("env", *settings, worker.program, "run")
    async with stand.running(command), open_caller(stand.rabbit.url) as caller:
        ask = over_rpc(caller, "session.query", lambda: PAGE)
        await until_answered(ask)
        return (await ask_all(ask, PAGES, CALLERS)).rate


def vars_of_pairs(pairs: dict[str, list[Any]]) -> Rounds:
    """Return the figures of rounds that were measured in turn, by contestant."""
    return {who: [each.figures() for each in rounds] for who, rounds in pairs.items()}
