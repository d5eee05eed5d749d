"""The memory of an engine after a million reads."""

import asyncio
import json
import os
from pathlib import Path
from typing import NamedTuple

from tests.engine.contest import options_on
from tests.support.stage.stage import Stage


class Heaps(NamedTuple):
    """Bytes of the heap after a collection: before the reads, after half of them, and after all."""

    start: int
    middle: int
    end: int

    def __str__(self) -> str:
        """Return them in megabytes."""
        start, middle, end = (f"{size / 1e6:.2f} MB" for size in self)
        return f"the heap after a collection is {start} at the start, {middle} halfway, {end} at the end"


async def read_many(stage: Stage, program: Path, reads: int) -> Heaps:
    """Return the heaps of an engine that makes this many reads of a thousand sessions."""
    await stage.start_replica()
    process = await asyncio.create_subprocess_exec(
        *("node", "--expose-gc", str(program.with_name("reads.js")), str(reads)),
        env={**os.environ, "ENGINE_OPTIONS": json.dumps(options_on(stage))},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return Heaps(*map(int, printed.split()))
