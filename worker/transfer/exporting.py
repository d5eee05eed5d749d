"""The way of an export: sessions of one snapshot, a portion at a time, into a target."""

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass

from worker.store.rows import StoredSession
from worker.transfer.importing import Refuse
from worker.transfer.target import Target


@dataclass(slots=True)
class Written:
    """How many sessions were written, and how many the layout cannot hold."""

    exported: int = 0
    refused: int = 0


async def export(
    portions: AsyncIterable[list[StoredSession]], target: Target, refuse: Refuse, written: Written
) -> None:
    """Return once everything is in the target, closed; `written` follows."""
    async for portion in portions:
        refusals = await asyncio.to_thread(target.write, portion)
        for refusal in refusals:
            refuse(refusal)
        written.exported += len(portion) - len(refusals)
        written.refused += len(refusals)
    await asyncio.to_thread(target.close)
