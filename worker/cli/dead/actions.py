"""Reads, publishes and removes the dead letters that a `dead` command selects."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from select import select

from rich.progress import Progress

from contracts.signing import Keyring
from contracts.topology import Topology
from worker.cli.dead.output import Counts, DeadLetterFile, Listing, progress_bar
from worker.dead_letters.dead_letter import DeadLetter
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.peek import Page, PageSizes
from worker.dead_letters.queue import DeadLetterQueue, Match, open_dead_letters, open_replayer
from worker.dead_letters.replay import can_replay

SIZES = PageSizes()
HOLD_SECONDS = 600  # for a page of a slow replay; the broker takes dead letters back after 30 minutes
INPUT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Selected:
    """Which dead letters, of which broker, and the keys that may sign them."""

    url: str
    topology: Topology
    keyring: Keyring
    filter: DeadLetterFilter
    limit: int | None


async def list_selected(selected: Selected, listing: Listing, counts: Counts) -> None:
    """Print the dead letters, or stop when the output is closed."""
    with progress_bar(shown=not sys.stdout.isatty()) as bar:
        async with _reading(selected, counts, bar) as pages:
            async for chosen in pages:
                counts.count(chosen.dead_letters)
                await listing.show(chosen.dead_letters)
                if listing.is_broken:
                    return


async def find_first(selected: Selected) -> DeadLetter | None:
    """Return the first of the dead letters; None where there is none."""
    with progress_bar(shown=True) as bar:
        async with _reading(selected, Counts(), bar) as pages:
            async for chosen in pages:
                if chosen.dead_letters:
                    return chosen.dead_letters[0]
    return None


async def replay_selected(selected: Selected, rate: float | None, counts: Counts, *, sign: bool) -> int:
    """Publish the dead letters again; return the number of messages that are no events and stay."""
    no_events = 0
    largest = SIZES.largest if rate is None else min(SIZES.largest, max(1, int(rate * HOLD_SECONDS)))
    with progress_bar(shown=True) as bar:

        def note(letters: Sequence[DeadLetter]) -> None:
            counts.count(letters)
            if letters:
                bar.update(bar.task_ids[0], completed=letters[-1].number)

        async with (
            open_replayer(
                selected.url, selected.topology, rate, selected.keyring if sign else None
            ) as replayer,
            _reading(selected, counts, bar, PageSizes(largest=largest)) as pages,
        ):
            async for chosen in pages:
                events = list(filter(can_replay, chosen.dead_letters))
                no_events += len(chosen.dead_letters) - len(events)
                await replayer.replay(chosen.page, events, note)
    return no_events


async def discard_selected(
    selected: Selected, listing: Listing, file: DeadLetterFile | None, question: str | None, counts: Counts
) -> bool:
    """Print the dead letters, save them to the file, and remove them; False if the person answers no."""
    marked: list[tuple[Page, list[int], list[str]]] = []
    async with _reading(selected, counts, progress_bar(shown=False)) as pages:
        async for chosen in pages:
            await listing.show(chosen.dead_letters)
            if file:
                await asyncio.to_thread(file.write, chosen.dead_letters)
            tags = [letter.delivery.tag for letter in chosen.dead_letters]
            marked.append((chosen.page, tags, [letter.failure.code for letter in chosen.dead_letters]))
        await listing.wait()
        if file:
            await asyncio.to_thread(file.finish)
        count = sum(len(tags) for _, tags, _ in marked)
        if count and question and not await _agrees(question.format(count=count)):
            return False
        for page, tags, codes in marked:
            await page.remove(tags)
            counts.codes.update(codes)
    return True


@asynccontextmanager
async def _reading(
    selected: Selected, counts: Counts, bar: Progress, sizes: PageSizes = SIZES
) -> AsyncIterator[AsyncIterator[Match]]:
    """Yield the selected dead letters by pages; the end returns the others to the queue."""
    async with open_dead_letters(selected.url, selected.topology, sizes) as dead:
        counts.total = dead.total
        async with aclosing(_count_read(dead, selected, counts, bar)) as pages:
            yield pages


async def _count_read(
    dead: DeadLetterQueue, selected: Selected, counts: Counts, bar: Progress
) -> AsyncGenerator[Match, None]:
    task = bar.add_task("dead letters", total=dead.total)
    async with aclosing(dead.choose(selected.filter, selected.limit)) as pages:
        async for chosen in pages:
            counts.read = chosen.read_count
            yield chosen
            bar.update(task, completed=chosen.read_count)


async def _agrees(question: str) -> bool:
    """Ask on the terminal, and keep the connection to the broker alive meanwhile."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    while not await asyncio.to_thread(_has_input):
        pass
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _has_input() -> bool:
    return bool(select([sys.stdin], [], [], INPUT_SECONDS)[0])
