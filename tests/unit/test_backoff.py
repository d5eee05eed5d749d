"""How long to wait before trying again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backoff import Backoff


@given(st.floats(0.001, 10), st.floats(0.001, 60), st.integers(0, 10_000))
def test_a_wait_is_never_nothing_and_never_more_than_the_limit(
    first: float, limit: float, failures: int
) -> None:
    wait = Backoff(first, limit, failures).next()
    assert first / 4 <= wait <= max(limit, first / 4)


def test_the_ceiling_doubles_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    backoff = Backoff(first=0.2, limit=5.0)
    assert [backoff.next() for _ in range(7)] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


def test_waits_are_spread_over_the_whole_range() -> None:
    waits = [Backoff(first=0.2, limit=5.0, failures=9).next() for _ in range(2000)]
    assert min(waits) < 0.5
    assert max(waits) > 4.5
    assert 2.2 < sum(waits) / len(waits) < 2.8


def test_a_success_starts_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    backoff = Backoff(first=1.0, failures=3)
    assert backoff.next() == 5.0
    assert backoff.failures == 4
    backoff.reset()
    assert backoff.next() == 1.0
