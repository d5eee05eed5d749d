"""The worker under other loads than the usual one: replicas, batches, sizes, and distributions of events."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tests.bench.events import Event, make_events
from tests.bench.peers.roster import Contestant, worker_of
from tests.bench.stand import Stand
from tests.bench.storing import Stored, store

SIZES: Final = {750: 1.0, 2_000: 1.0, 4_000: 1.0, 20_000: 0.5, 200_000: 0.06}
"""Bytes an event, and the share of the usual number of events that is enough."""


def shapes(number: int) -> Iterator[tuple[str, Contestant, list[Event], int]]:
    """Yield each shape: its name, the worker with its settings, its events and the number of replicas."""
    ours = worker_of()
    for replicas in (1, 2, 4):
        yield f"{replicas} replica{'s' * (replicas > 1)}", ours, make_events(number), replicas
    for batch in (1, 50, 500, 2_000):
        few = max(number // (10 if batch == 1 else 1), 1)
        yield f"batches of {batch}", _with(ours, "BATCH_SIZE", batch), make_events(few), 1
    for prefetch in (100, 4_000):
        yield f"prefetch {prefetch}", _with(ours, "PREFETCH", prefetch), make_events(number), 1
    for size, share in SIZES.items():
        yield f"{size:,} bytes an event", ours, make_events(max(int(number * share), 50), size=size), 1
    yield "every event a new session", ours, make_events(number), 1
    yield "five writes a session", ours, make_events(number, sessions=max(number // 5, 1)), 1
    yield "nine of ten are repeats", ours, _repeated(number), 1
    yield "one hot session", ours, make_events(number, sessions=1), 1


async def measure_shapes(stand: Stand, number: int) -> dict[str, Stored]:
    """Return the figures of each shape."""
    measured = {}
    for name, contestant, events, replicas in shapes(number):
        await stand.prepare()
        measured[name] = await store(stand, contestant, events, replicas)
    return measured


def _with(contestant: Contestant, name: str, value: int) -> Contestant:
    return replace(contestant, settings={f"SESSION_STORE_{name}": str(value)})


def _repeated(number: int) -> list[Event]:
    once = make_events(max(number // 10, 1))
    return [event for event in once for _ in range(10)]
