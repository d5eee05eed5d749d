"""The way of an import: portions are read in threads, given to the sink, and counted."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from contracts.outcomes import Outcome
from worker.ingest.fold import VerdictCursor, Verdicts
from worker.outcome import Verdict
from worker.transfer.findings import ParsedEvent, ReadResult, Rejection
from worker.transfer.storing import Sink
from worker.transfer.tally import ImportCounts

IN_FLIGHT: Final = 4  # portions: two are read while two are stored

Refuse = Callable[[Rejection], None]


class Portion(Protocol):
    """Some files or lines."""

    @property
    def size(self) -> int:
        """How many there are."""

    def read(self) -> ReadResult:
        """Return what is in them; takes its time, in a thread."""


class Importer:
    """Gives everything to the sink, and tells `refuse` of what cannot be imported; `tally` follows."""

    def __init__(self, sink: Sink, refuse: Refuse, tally: ImportCounts) -> None:
        self._sink = sink
        self._refuse = refuse
        self._tally = tally

    async def run(self, portions: Iterator[Portion]) -> None:
        """Return once everything is stored or refused; raises what the sink raises."""
        free = asyncio.Semaphore(IN_FLIGHT)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                portion = await asyncio.to_thread(next, portions, None)
                if portion is None:
                    return
                task = tasks.create_task(self._import(portion))
                task.add_done_callback(lambda _: free.release())

    async def _import(self, portion: Portion) -> None:
        findings = await asyncio.to_thread(portion.read)
        verdicts = await self._sink.take([found.event for found in findings.found])
        refusals = findings.refusals + self._count(findings.found, verdicts)
        for refusal in refusals:
            self._refuse(refusal)
        self._tally.refused += len(refusals)
        self._tally.skipped += findings.skipped
        self._tally.found += portion.size

    def _count(self, found: Iterable[ParsedEvent], verdicts: Verdicts) -> list[Rejection]:
        """Count what became of each, and return those that were refused after all."""
        telling = VerdictCursor(verdicts)
        refusals = []
        for place, event in found:
            verdict = telling.next(event)
            if refused := _refused(verdict):
                refusals.append(Rejection(place.file, *refused, place.line))
            self._tally.count(verdict.outcome)
        return refusals


def _refused(verdict: Verdict) -> tuple[str, str] | None:
    match verdict:
        case Verdict(outcome=Outcome.REJECTED, code=code, message=message):
            return str(code), str(message)
        case Verdict(outcome=Outcome.CONFLICT, revision=revision):
            stored = f"at revision {revision}" if revision else "not there"
            return "conflict", f"it expects another revision: the session is {stored}"
        case _:
            return None
