"""On Citus a session is in the bucket that its id says, and a bucket is on one node (`sql/citus/distribute.sql`)."""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from worker.store.rows import EventRow

BUCKETS: Final = 32


def bucket_of(session_id: str) -> int:
    """Return the result of `session_bucket` in the database."""
    return sha256(session_id.encode()).digest()[0] % BUCKETS


def by_bucket(rounds: Sequence[Sequence[EventRow]]) -> dict[int, dict[int, list[EventRow]]]:
    """Return each bucket's share of each round, by bucket and by the round's place; a session's events are in one."""
    found: dict[int, dict[int, list[EventRow]]] = defaultdict(lambda: defaultdict(list))
    for place, events in enumerate(rounds):
        for event in events:
            found[bucket_of(event.session_id)][place].append(event)
    return found
