"""Compares the stored sessions with the expected ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson

Json = dict[str, object]
SAMPLES = Path(__file__).resolve().parent.parent.parent / "samples"


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected state after all sample events: records by id, ids deleted, codes by event id."""

    sessions: dict[str, Json]
    deleted: list[str]
    dead_letters: dict[str, str]

    @classmethod
    def load(cls) -> Self:
        """Return the content of `samples/expected.json`."""
        document = orjson.loads((SAMPLES / "expected.json").read_bytes())
        return cls(document["sessions"], document["deleted"], document["dead_letters"])


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures of the comparison and every difference, in words."""

    equal: int
    deleted: int
    dead_letters: int
    differences: tuple[str, ...]

    def __str__(self) -> str:
        """Return the line that ends the demo."""
        return (
            f"{self.equal} sessions equal, {self.deleted} deleted, "
            f"{self.dead_letters} dead letters with the right codes"
        )


def compare(expected: Expected, records: Mapping[str, Json | None], codes: Mapping[str, str]) -> Verdict:
    """Return the verdict over the records read back, by session id, and the dead letters' codes by event id."""
    differences = [
        *(
            _difference(session_id, wanted, records[session_id])
            for session_id, wanted in expected.sessions.items()
        ),
        *(
            f"{session_id} was deleted, and is there"
            for session_id in expected.deleted
            if records[session_id]
        ),
        *_code_differences(expected.dead_letters, codes),
    ]
    found = tuple(difference for difference in differences if difference)
    return Verdict(
        sum(_is_equal(wanted, records[session_id]) for session_id, wanted in expected.sessions.items()),
        sum(records[session_id] is None for session_id in expected.deleted),
        sum(codes.get(event_id) == code for event_id, code in expected.dead_letters.items()),
        found,
    )


def _is_equal(wanted: Json, record: Json | None) -> bool:
    return record is not None and all(record[field] == wanted[field] for field in ("session", "revision"))


def _difference(session_id: str, wanted: Json, record: Json | None) -> str | None:
    if record is None:
        return f"{session_id} is missing"
    return None if _is_equal(wanted, record) else f"{session_id} differs: {record} instead of {wanted}"


def _code_differences(wanted: Mapping[str, str], codes: Mapping[str, str]) -> list[str]:
    return [
        f"dead letter {event_id}: {codes.get(event_id, 'none')} instead of {wanted.get(event_id, 'none')}"
        for event_id in sorted({*codes, *wanted})
        if codes.get(event_id) != wanted.get(event_id)
    ]
