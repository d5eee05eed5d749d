"""Rounds of events are split by the buckets of their sessions."""

from uuid import UUID

from worker.store.buckets import BUCKETS, bucket_of, by_bucket
from worker.store.rows import EventRow


def test_every_event_is_in_its_bucket_and_its_round() -> None:
    rounds = [
        [EventRow(f"sess_{n}", place + 1, UUID(int=n), None, True) for n in range(200)] for place in range(2)
    ]
    shares = by_bucket(rounds)
    assert set(shares) == set(range(BUCKETS))
    for bucket, share in shares.items():
        assert all(bucket_of(event.session_id) == bucket for events in share.values() for event in events)
    for place, events in enumerate(rounds):
        found = [event for share in shares.values() for event in share.get(place, [])]
        assert sorted(found) == sorted(events)


def test_a_bucket_never_changes() -> None:
    assert [bucket_of(each) for each in ("a", "sess_0f3c9a", "ä")] == [10, 9, 19]
