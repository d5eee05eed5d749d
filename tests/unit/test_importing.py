"""An import counts every file or line once, and reports its progress."""

from collections.abc import Sequence
from dataclasses import astuple
from uuid import UUID

import pytest

from contracts.outcomes import DeadLetterCode, Outcome
from worker.errors import UnavailableError
from worker.ingest.fold import Verdicts, key_of
from worker.outcome import Verdict
from worker.store.rows import EventRow
from worker.transfer.bounded import BoundedSink
from worker.transfer.findings import Location, ParsedEvent, ReadResult, Rejection
from worker.transfer.importing import ImportCounts, Importer

VERDICTS = [
    Verdict(Outcome.STORED, 1),
    Verdict(Outcome.DELETED),
    Verdict(Outcome.ABSENT),
    Verdict(Outcome.DUPLICATE, 1),
    Verdict(Outcome.SUPERSEDED, 2),
    Verdict.rejected(DeadLetterCode.REFUSED_BY_DATABASE, "why"),
    Verdict(Outcome.CONFLICT, 7),
    Verdict(Outcome.CONFLICT),
]
EVENTS = [EventRow(str(number), 1, UUID(int=number), None, False) for number in range(len(VERDICTS))]
READ = ReadResult(
    [ParsedEvent(Location("a", line), event) for line, event in enumerate(EVENTS, 1)],
    [Rejection("a", "bad_json", "why", 9)],
    skipped=2,
)


async def test_a_revision_far_ahead_of_the_clock_is_rejected_before_it_is_stored() -> None:
    ahead = EVENTS[1]._replace(revision=2**53 - 1)
    taken = await BoundedSink(GivenVerdicts(1), lead=60).take([EVENTS[0], ahead])
    assert taken[key_of(EVENTS[0])] == VERDICTS[0]
    assert taken[key_of(ahead)].code == "revision_ahead"
    assert len(await BoundedSink(GivenVerdicts(1), lead=0).take([ahead])) == 1


class GivenChunk:
    """A chunk whose content is known."""

    def __init__(self, result: ReadResult) -> None:
        self._result = result

    @property
    def size(self) -> int:
        return len(self._result.events) + len(self._result.rejections) + self._result.skipped

    def read(self) -> ReadResult:
        return self._result


class GivenVerdicts:
    """A sink with prepared verdicts for a number of chunks, and then away."""

    def __init__(self, chunks: int) -> None:
        self._left = chunks

    async def take(self, events: Sequence[EventRow]) -> Verdicts:
        self._left -= 1
        if self._left < 0:
            raise UnavailableError("away")
        return {key_of(event): VERDICTS[int(event.session_id)] for event in events}


def reject_nothing(rejection: Rejection) -> None:
    raise AssertionError(str(rejection))


async def test_every_event_is_counted_once_and_the_parts_add_up() -> None:
    rejections: list[Rejection] = []
    progress: list[ImportCounts] = []
    importer = Importer(GivenVerdicts(2), rejections.append, progress.append)
    counts = await importer.run(iter([GivenChunk(READ), GivenChunk(ReadResult([], [], skipped=5))]))
    assert counts == ImportCounts(found=16, imported=3, unchanged=1, superseded=1, refused=4, skipped=7)
    total, *parts = astuple(counts)
    assert total == sum(parts)
    assert progress[-1] == counts
    assert len(progress) == 2
    assert [(each.line, each.code) for each in rejections] == [
        (9, "bad_json"),
        (6, "refused_by_database"),
        (7, "conflict"),
        (8, "conflict"),
    ]


async def test_an_event_that_is_there_twice_is_stored_once_and_unchanged_then() -> None:
    twice = ReadResult([READ.events[0], READ.events[0]], [])
    counts = await Importer(GivenVerdicts(1), reject_nothing, lambda _: None).run(iter([GivenChunk(twice)]))
    assert counts == ImportCounts(found=2, imported=1, unchanged=1)


async def test_what_was_imported_before_the_sink_fails_is_known() -> None:
    progress: list[ImportCounts] = []
    importer = Importer(GivenVerdicts(1), lambda _: None, progress.append)
    with pytest.raises(ExceptionGroup):
        await importer.run(iter([GivenChunk(READ)] * 2))
    assert [counts.found for counts in progress] == [11]
