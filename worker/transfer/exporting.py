"""Exports sessions chunk by chunk into a target."""

import asyncio
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass

from worker.store.rows import StoredSession
from worker.transfer.counts import Counts
from worker.transfer.findings import OnRejection
from worker.transfer.target import Target


@dataclass(frozen=True, slots=True)
class ExportCounts(Counts):
    """Numbers of sessions written, and of those that the target's layout cannot hold."""

    exported: int = 0
    refused: int = 0


OnProgress = Callable[[ExportCounts], None]
"""Takes the counts so far."""


async def export(
    chunks: AsyncIterable[list[StoredSession]],
    target: Target,
    on_rejection: OnRejection,
    on_progress: OnProgress,
) -> ExportCounts:
    """Return the counts once all sessions are in the target and it is closed; reports them after each chunk too."""
    counts = ExportCounts()
    async for chunk in chunks:
        rejections = await asyncio.to_thread(target.write, chunk)
        for rejection in rejections:
            on_rejection(rejection)
        counts += ExportCounts(len(chunk) - len(rejections), len(rejections))
        on_progress(counts)
    await asyncio.to_thread(target.close)
    return counts
