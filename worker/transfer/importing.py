"""Imports a source chunk by chunk: reads it in threads, hands the events to a sink, and counts the outcomes."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from contracts.outcomes import Outcome
from worker.ingest.fold import VerdictCursor
from worker.ingest.ordering import APPLIED
from worker.outcome import Verdict
from worker.transfer.counts import Counts
from worker.transfer.findings import OnRejection, ParsedEvent, ReadResult, Rejection
from worker.transfer.storing import Sink

MAX_IN_FLIGHT: Final = 4  # chunks: two are read while two are stored


class Chunk(Protocol):
    """Some files of a folder, or some lines of a file."""

    @property
    def size(self) -> int:
        """How many files or lines there are."""

    def read(self) -> ReadResult:
        """Return the content; blocks, and is called in a thread."""


@dataclass(frozen=True, slots=True)
class ImportCounts(Counts):
    """Numbers of files, or of lines; `found` is the number that was read, the sum of the others."""

    found: int = 0
    imported: int = 0
    unchanged: int = 0
    superseded: int = 0
    refused: int = 0
    skipped: int = 0


OnProgress = Callable[[ImportCounts], None]
"""Takes the counts so far."""


class Importer:
    """Hands every event of a source to the sink; reports each rejection, and after each chunk the counts so far."""

    def __init__(self, sink: Sink, on_rejection: OnRejection, on_progress: OnProgress) -> None:
        self._sink = sink
        self._on_rejection = on_rejection
        self._on_progress = on_progress
        self._counts = ImportCounts()

    async def run(self, chunks: Iterator[Chunk]) -> ImportCounts:
        """Return the counts once everything is stored or rejected; raises the errors of the sink."""
        free = asyncio.Semaphore(MAX_IN_FLIGHT)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                chunk = await asyncio.to_thread(next, chunks, None)
                if chunk is None:
                    break
                task = tasks.create_task(self._import(chunk))
                task.add_done_callback(lambda _: free.release())
        return self._counts

    async def _import(self, chunk: Chunk) -> None:
        read = await asyncio.to_thread(chunk.read)
        cursor = VerdictCursor(await self._sink.take([each.event for each in read.events]))
        verdicts = [cursor.next(each.event) for each in read.events]
        rejections = [*read.rejections, *_rejections_of(read.events, verdicts)]
        for rejection in rejections:
            self._on_rejection(rejection)
        outcomes = Counter(verdict.outcome for verdict in verdicts)
        self._counts += ImportCounts(
            found=chunk.size,
            imported=sum(outcomes[outcome] for outcome in APPLIED),
            unchanged=outcomes[Outcome.DUPLICATE],
            superseded=outcomes[Outcome.SUPERSEDED],
            refused=len(rejections),
            skipped=read.skipped,
        )
        self._on_progress(self._counts)


def _rejections_of(events: Sequence[ParsedEvent], verdicts: Sequence[Verdict]) -> list[Rejection]:
    """Return the events that could be read and were rejected by the sink."""
    return [
        Rejection(parsed.location.file, *reason, parsed.location.line)
        for parsed, verdict in zip(events, verdicts, strict=True)
        if (reason := _reason_of(verdict))
    ]


def _reason_of(verdict: Verdict) -> tuple[str, str] | None:
    """Return code and reason of a rejection; None for another verdict."""
    match verdict:
        case Verdict(outcome=Outcome.REJECTED, code=code, message=message):
            return str(code), str(message)
        case Verdict(outcome=Outcome.CONFLICT, revision=revision):
            stored = f"at revision {revision}" if revision else "not there"
            return "conflict", f"it expects another revision: the session is {stored}"
        case _:
            return None
