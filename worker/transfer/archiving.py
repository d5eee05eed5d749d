"""Keeps what is about to go: it is in a file, and that on the disk, before it goes."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from worker.errors import SessionStoreError
from worker.store.expired import Expired
from worker.store.rows import StoredSession
from worker.transfer.parquet import ParquetTarget
from worker.transfer.target import LineTarget, Target, replacing

FILE_SESSIONS: Final = 20_000
READ_AT_ONCE: Final = 50  # sessions of a megabyte are possible

Portions = AsyncGenerator[list[Expired], None]
Read = Callable[[Sequence[Expired]], Awaitable[list[StoredSession]]]


class ArchiveFormat(StrEnum):
    """How an archive's files are written, and how their names end."""

    PARQUET = "parquet"
    NDJSON = "ndjson.gz"

    def open(self, path: Path) -> Target:
        """Return a target that writes this format into a new file."""
        return ParquetTarget(path) if self is ArchiveFormat.PARQUET else LineTarget(path, packed=True)


class Archive:
    """A folder that gets a file for every 20,000 sessions; `read` gives those that are still as they were."""

    def __init__(self, folder: Path, form: ArchiveFormat, read: Read) -> None:
        self._folder = folder
        self._form = form
        self._read = read
        self._stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        self._files = 0

    async def keep(self, portions: Portions) -> Portions:
        """Yield the portions again, each once its sessions are in a file on the disk.

        Raises SessionStoreError when a file cannot be written; what it should have held was not yielded.
        """
        async with aclosing(portions):
            while held := await _take(portions):
                self._files += 1
                path = self._folder / f"sessions-{self._stamp}-{self._files:05}.{self._form}"
                try:
                    with replacing(path) as draft:
                        await self._write(draft, [expired for portion in held for expired in portion])
                    await asyncio.to_thread(_settle_folder, self._folder)
                except OSError as error:
                    raise SessionStoreError(f"cannot write {path}: {error.strerror or error}") from error
                for portion in held:
                    yield portion

    async def _write(self, path: Path, wanted: Sequence[Expired]) -> None:
        target = self._form.open(path)
        for at in range(0, len(wanted), READ_AT_ONCE):
            sessions = await self._read(wanted[at : at + READ_AT_ONCE])
            await asyncio.to_thread(target.write, sessions)
        await asyncio.to_thread(target.close)


async def _take(portions: Portions) -> list[list[Expired]]:
    """Return the next portions, a file's worth of them; none after the last."""
    taken: list[list[Expired]] = []
    sessions = 0
    while sessions < FILE_SESSIONS and (portion := await anext(portions, None)):
        taken.append(portion)
        sessions += len(portion)
    return taken


def _settle_folder(path: Path) -> None:
    """Have a new name in the folder on the disk, too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
