"""What the `dead` commands do with the letters that were asked for."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from select import select

from rich.progress import Progress

from worker.cli.dead.listing import Listing, Tally, progress_bar
from worker.cli.dead.options import Asked
from worker.cli.dead.saving import LetterFile
from worker.dead_letters.dead_letter import DeadLetter
from worker.dead_letters.peek import Page, PageSizes
from worker.dead_letters.queue import DeadLetterQueue, Match, open_dead_letters, open_replayer
from worker.dead_letters.replay import can_replay

SIZES = PageSizes()
HOLD_SECONDS = 600  # for a page of a slow replay; the broker takes letters back after 30 minutes
LOOK_SECONDS = 0.2


async def list_chosen(asked: Asked, listing: Listing, tally: Tally) -> None:
    """Print the letters, until nobody reads them any more."""
    with progress_bar(shown=not sys.stdout.isatty()) as bar:
        async with _reading(asked, tally, bar) as pages:
            async for chosen in pages:
                tally.count(chosen.letters)
                await listing.show(chosen.letters)
                if listing.is_broken:
                    return


async def find_first(asked: Asked) -> DeadLetter | None:
    """Return the first of the letters."""
    with progress_bar(shown=True) as bar:
        async with _reading(asked, Tally(), bar) as pages:
            async for chosen in pages:
                if chosen.letters:
                    return chosen.letters[0]
    return None


async def replay_chosen(asked: Asked, rate: float | None, tally: Tally, *, sign: bool) -> int:
    """Send the letters through the normal path again; return how many are no events and stay."""
    strange = 0
    largest = SIZES.largest if rate is None else min(SIZES.largest, max(1, int(rate * HOLD_SECONDS)))
    with progress_bar(shown=True) as bar:

        def note(letters: Sequence[DeadLetter]) -> None:
            tally.count(letters)
            if letters:
                bar.update(bar.task_ids[0], completed=letters[-1].number)

        async with (
            open_replayer(asked.url, asked.topology, rate, asked.keyring if sign else None) as replayer,
            _reading(asked, tally, bar, PageSizes(largest=largest)) as pages,
        ):
            async for chosen in pages:
                events = list(filter(can_replay, chosen.letters))
                strange += len(chosen.letters) - len(events)
                await replayer.replay(chosen.page, events, note)
    return strange


async def discard_chosen(
    asked: Asked, listing: Listing, file: LetterFile | None, question: str | None, tally: Tally
) -> bool:
    """Print the letters, keep them in the file, and remove them; False when the answer to the question is no."""
    marked: list[tuple[Page, list[int], list[str]]] = []
    async with _reading(asked, tally, progress_bar(shown=False)) as pages:
        async for chosen in pages:
            await listing.show(chosen.letters)
            if file:
                await asyncio.to_thread(file.write, chosen.letters)
            tags = [letter.delivery.tag for letter in chosen.letters]
            marked.append((chosen.page, tags, [letter.failure.code for letter in chosen.letters]))
        await listing.wait()
        if file:
            await asyncio.to_thread(file.finish)
        count = sum(len(tags) for _, tags, _ in marked)
        if count and question and not await _agrees(question.format(count=count)):
            return False
        for page, tags, codes in marked:
            await page.remove(tags)
            tally.codes.update(codes)
    return True


@asynccontextmanager
async def _reading(
    asked: Asked, tally: Tally, bar: Progress, sizes: PageSizes = SIZES
) -> AsyncIterator[AsyncIterator[Match]]:
    """Yield the pages of the letters asked for; what is not removed is put back at the end."""
    async with open_dead_letters(asked.url, asked.topology, sizes) as dead:
        tally.total = dead.total
        async with aclosing(_count_read(dead, asked, tally, bar)) as pages:
            yield pages


async def _count_read(
    dead: DeadLetterQueue, asked: Asked, tally: Tally, bar: Progress
) -> AsyncGenerator[Match, None]:
    task = bar.add_task("letters", total=dead.total)
    async with aclosing(dead.choose(asked.wanted, asked.limit)) as pages:
        async for chosen in pages:
            tally.read = chosen.read
            yield chosen
            bar.update(task, completed=chosen.read)


async def _agrees(question: str) -> bool:
    """Ask on the terminal, while the connection to the broker stays alive."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    while not await asyncio.to_thread(_has_input):
        pass
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _has_input() -> bool:
    return bool(select([sys.stdin], [], [], LOOK_SECONDS)[0])
