"""Retries: the waits between attempts, the number of attempts, and the reasons to end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.retry import Backoff, retry, sleep_unless_stopped, within

FOR_EVER = 1000.0  # a test that sleeps so long fails by its time limit


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


class Away(Exception):
    pass


class Gone(Exception):
    pass


def failing(*errors: Exception) -> Callable[[], Awaitable[str]]:
    """Return an attempt that raises one error after the other, and then succeeds."""
    left = list(errors)

    async def attempt() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return attempt


async def go_on(_seconds: float) -> bool:
    return True


async def test_an_attempt_is_repeated_until_it_succeeds() -> None:
    failures: list[tuple[str, int]] = []
    result = await retry(
        failing(Away("first"), Away("second")),
        Away,
        go_on,
        on_failure=lambda error, count: failures.append((str(error), count)),
    )
    assert result == "done"
    assert failures == [("first", 1), ("second", 2)]


async def test_the_waits_are_those_of_the_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    slept: list[float] = []

    async def sleep(seconds: float) -> bool:
        slept.append(seconds)
        return True

    backoff = Backoff(first=1.0, limit=3.0)
    await retry(failing(Away(), Away(), Away()), Away, sleep, backoff=backoff)
    assert slept == [1.0, 2.0, 3.0]
    assert backoff.failures == 3


async def test_the_last_error_is_raised_when_no_more_attempts_are_wanted() -> None:
    async def stop_at_once(_seconds: float) -> bool:
        return False

    with pytest.raises(Away, match="first"):
        await retry(failing(Away("first"), Away("second")), Away, stop_at_once)


async def test_another_error_ends_the_attempts() -> None:
    with pytest.raises(Gone):
        await retry(failing(Away(), Gone()), Away, go_on)


async def test_patience_ends_only_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("worker.retry.monotonic", lambda: now)
    sleep = within(5.0, go_on)
    now = 5.0
    assert await sleep(FOR_EVER)
    now = 5.1
    assert not await sleep(FOR_EVER)


async def test_a_sleep_ends_when_its_time_is_over() -> None:
    assert await sleep_unless_stopped(asyncio.Event(), 0.0)


async def test_a_stop_ends_a_sleep() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    assert not await sleep_unless_stopped(stop, FOR_EVER)
    assert not await sleep_unless_stopped(stop, FOR_EVER)


async def test_a_loss_ends_a_sleep() -> None:
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lost.set_result, "lost")
    assert not await sleep_unless_stopped(asyncio.Event(), FOR_EVER, lost)
