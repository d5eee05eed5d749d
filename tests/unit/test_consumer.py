"""How consumers share a prefetch, and when a consumer may be cancelled."""

from dataclasses import astuple
from time import monotonic

from worker.broker.consumer import SILENCE_SECONDS, SPARE_SILENCE_SECONDS, Consumer, consumers_of


def test_a_small_consumer_comes_first_and_a_spare_one_takes_the_rest() -> None:
    first, spare = consumers_of(["queue"], 1000, priority_prefetch=32)
    assert (first.prefetch, spare.prefetch) == (32, 968)
    assert (first.arguments, spare.arguments) == ({"x-priority": 1}, {})
    assert spare.primary is first


def test_a_prefetch_that_is_small_is_not_shared() -> None:
    shares = [astuple(each)[:4] for each in consumers_of(["a", "b"], 32, priority_prefetch=32)]
    assert shares == [("a", 32, 0, None), ("b", 32, 0, None)]


def test_a_consumer_may_leave_when_it_is_full_or_nothing_comes() -> None:
    consumer = Consumer("queue", 2, held=1, arrived=monotonic())
    assert not consumer.can_cancel()
    consumer.held = 2
    assert consumer.can_cancel()
    silent = Consumer("queue", 2, held=1, arrived=monotonic() - SILENCE_SECONDS)
    assert silent.can_cancel()


def test_a_spare_consumer_is_of_no_use_while_the_one_before_it_has_room() -> None:
    first = Consumer("queue", 4, priority=1, held=1)
    spare = Consumer("queue", 10, primary=first, arrived=monotonic() - SPARE_SILENCE_SECONDS, is_fresh=False)
    assert spare.is_idle_spare()
    first.held = 2
    assert not spare.is_idle_spare()
    assert not first.is_idle_spare()


def test_a_spare_consumer_that_has_just_started_is_not_idle() -> None:
    first = Consumer("queue", 4, priority=1)
    spare = Consumer("queue", 10, primary=first, arrived=monotonic() - SPARE_SILENCE_SECONDS)
    assert not spare.is_idle_spare()
    assert not spare.can_cancel()
    spare.arrived -= SILENCE_SECONDS
    assert spare.is_idle_spare()
