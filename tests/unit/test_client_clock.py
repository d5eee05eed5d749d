"""The client's revisions, and its memory of queued writes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.client.clock import HybridClock, PendingWrites
from contracts.limits import MAX_REVISION, REMEMBERED_REVISIONS


def test_a_revision_is_the_time_in_microseconds() -> None:
    before = time.time_ns() // 1000
    assert before <= HybridClock().next("a") <= time.time_ns() // 1000 + 1


@given(st.lists(st.one_of(st.none(), st.integers(1, MAX_REVISION - 100)), max_size=50))
def test_each_revision_is_above_all_that_were_given_and_seen(seen: list[int | None]) -> None:
    clock, greatest = HybridClock(), 0
    for revision in seen:
        if revision is None:
            assert clock.next("a") > greatest
            greatest = clock.next("a")
        else:
            clock.observe("a", revision)
            greatest = max(greatest, revision)


def test_a_clock_that_is_set_back_is_counted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HybridClock()
    first = clock.next("a")
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert clock.next("a") == first + 1
    assert clock.next("b") == first + 2


def test_revisions_follow_the_wall_clock_over_steps_and_over_a_suspend_of_the_host_and_never_fall(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, start, hour = HybridClock(), 1_700_000_000_000_000, 3_600_000_000

    def at(microseconds: int) -> int:
        monkeypatch.setattr(time, "time_ns", lambda: microseconds * 1000)
        return clock.next("a")

    assert at(start) == start
    assert at(start + hour) == start + hour
    assert at(start) == start + hour + 1
    assert at(start + 2 * hour) == start + 2 * hour


def test_a_session_from_the_future_pulls_no_other_along() -> None:
    clock = HybridClock()
    clock.observe("ahead", MAX_REVISION - 1)
    assert clock.next("ahead") == MAX_REVISION
    assert clock.next("ahead") == MAX_REVISION
    assert clock.next("other") < MAX_REVISION / 2


def test_the_clock_remembers_the_sessions_last_used() -> None:
    clock = HybridClock()
    far = MAX_REVISION - 10
    clock.observe("used", far)
    clock.observe("left", far)
    for number in range(REMEMBERED_REVISIONS - 1):
        clock.observe(f"sess_{number}", 1)
        clock.next("used")
    assert clock.next("used") > far
    assert clock.next("left") < far


def test_a_queued_write_is_owed_until_it_or_a_newer_one_was_seen() -> None:
    pending = PendingWrites()
    pending.add("a", 10)
    pending.add("a", 7)
    assert pending.revision_of("a") == 10
    pending.settle("a", 9)
    assert pending.revision_of("a") == 10
    pending.settle("a", 10)
    assert pending.revision_of("a") == 0


def test_pending_writes_never_give_up_one_for_another() -> None:
    pending = PendingWrites(max_sessions=2)
    pending.add("a", 1)
    pending.add("b", 1)
    assert pending.has_room_for("a")
    assert not pending.has_room_for("c")
    pending.settle("a", 1)
    assert pending.has_room_for("c")
