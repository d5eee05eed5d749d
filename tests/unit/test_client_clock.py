"""The client's revisions, and what it remembers of its queued writes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.client.clock import REMEMBERED, HybridClock, QueuedWrites
from contracts.scalars import MAX_REVISION


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
    for number in range(REMEMBERED - 1):
        clock.observe(f"sess_{number}", 1)
        clock.next("used")
    assert clock.next("used") > far
    assert clock.next("left") < far


def test_a_queued_write_is_owed_until_it_or_a_newer_one_was_seen() -> None:
    queued = QueuedWrites()
    queued.add("a", 10)
    queued.add("a", 7)
    assert queued.of("a") == 10
    queued.settle("a", 9)
    assert queued.of("a") == 10
    queued.settle("a", 10)
    assert queued.of("a") == 0


def test_queued_writes_never_give_up_one_for_another() -> None:
    queued = QueuedWrites(most=2)
    queued.add("a", 1)
    queued.add("b", 1)
    assert queued.has_room_for("a")
    assert not queued.has_room_for("c")
    queued.settle("a", 1)
    assert queued.has_room_for("c")
