"""Archives sessions before they are removed: the files are on the disk first."""

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
from worker.transfer.target import LineTarget, Target, atomic_write

FILE_SESSIONS: Final = 20_000
CHUNK_SESSIONS: Final = 50  # sessions of a megabyte are possible

Chunks = AsyncGenerator[list[Expired], None]
Read = Callable[[Sequence[Expired]], Awaitable[list[StoredSession]]]
"""Reads those sessions that have not changed since."""


class ArchiveFormat(StrEnum):
    """The format of an archive's files, and the ending of their names."""

    PARQUET = "parquet"
    NDJSON = "ndjson.gz"

    def open(self, path: Path) -> Target:
        """Return a target that writes this format into a new file."""
        return ParquetTarget(path) if self is ArchiveFormat.PARQUET else LineTarget(path, packed=True)


class Archive:
    """A folder that gets a file for every 20,000 sessions."""

    def __init__(self, folder: Path, archive_format: ArchiveFormat, read: Read) -> None:
        self._folder = folder
        self._format = archive_format
        self._read = read
        self._stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        self._files = 0

    async def archived(self, chunks: Chunks) -> Chunks:
        """Yield the same chunks, each once its sessions are in a file on the disk.

        Raises SessionStoreError when a file cannot be written; the chunks for that file are not yielded.
        """
        async with aclosing(chunks):
            while file_chunks := await _next_file(chunks):
                self._files += 1
                path = self._folder / f"sessions-{self._stamp}-{self._files:05}.{self._format}"
                try:
                    with atomic_write(path) as draft:
                        await self._write(draft, [expired for chunk in file_chunks for expired in chunk])
                    await asyncio.to_thread(_fsync_folder, self._folder)
                except OSError as error:
                    raise SessionStoreError(f"cannot write {path}: {error.strerror or error}") from error
                for chunk in file_chunks:
                    yield chunk

    async def _write(self, path: Path, expired: Sequence[Expired]) -> None:
        target = self._format.open(path)
        for start in range(0, len(expired), CHUNK_SESSIONS):
            sessions = await self._read(expired[start : start + CHUNK_SESSIONS])
            await asyncio.to_thread(target.write, sessions)
        await asyncio.to_thread(target.close)


async def _next_file(chunks: Chunks) -> list[list[Expired]]:
    """Return the chunks of the next file; none after the last."""
    file_chunks: list[list[Expired]] = []
    sessions = 0
    while sessions < FILE_SESSIONS and (chunk := await anext(chunks, None)):
        file_chunks.append(chunk)
        sessions += len(chunk)
    return file_chunks


def _fsync_folder(path: Path) -> None:
    """Return once the names in the folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
