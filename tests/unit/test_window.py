"""How many deliveries a window admits, by their size."""

from worker.broker.consumer import Consumer
from worker.broker.window import EVENT_BYTES, Window

PREFETCH = 1000
MAX_WINDOW_BYTES = PREFETCH * EVENT_BYTES
SMALL = 2_000


def window_of(prefetch: int = PREFETCH) -> Window:
    """Return the window of a new intake."""
    return Window(Consumer("queue", 32, priority=1), prefetch - 32)


def fill(window: Window, consumer: Consumer, size: int) -> bool:
    """Fill a consumer with deliveries of a size; return whether the window has to change then."""
    misfits = []
    for _ in range(consumer.prefetch):
        consumer.held += 1
        misfits.append(window.is_misfit(size, consumer))
    assert not any(misfits[:-1])
    return misfits[-1]


def grown(size: int) -> Window:
    """Return a window that deliveries of this size have grown as far as they can."""
    window = window_of()
    grow_from(window, window._primary, size)
    return window


def grow_from(window: Window, newest: Consumer | None, size: int) -> None:
    """Fill the newest consumer, and each consumer that starts because of that."""
    while newest is not None and fill(window, newest, size):
        newest = window.grow()


def test_a_window_begins_with_the_small_consumer() -> None:
    assert (window_of().prefetch, window_of().spares) == (32, [])


def test_small_deliveries_get_the_whole_prefetch_by_one_spare_consumer() -> None:
    window = grown(SMALL)
    assert window.prefetch == PREFETCH
    (spare,) = window.spares
    assert (spare.prefetch, spare.priority, spare.primary) == (968, 0, window._primary)


def test_large_deliveries_get_as_many_as_the_bytes_afford() -> None:
    window = grown(200_000)
    assert 0.5 * MAX_WINDOW_BYTES < window.prefetch * 200_000 <= MAX_WINDOW_BYTES


def test_deliveries_that_are_too_large_get_no_spare_consumer() -> None:
    assert grown(MAX_WINDOW_BYTES // 40).spares == []


def test_a_window_grows_when_deliveries_become_small() -> None:
    window = grown(200_000)
    newest = window.spares[-1]
    newest.held = 0
    grow_from(window, newest, SMALL)
    assert window.prefetch == PREFETCH


def test_a_window_is_too_large_once_deliveries_have_become_large() -> None:
    window = grown(SMALL)
    (spare,) = window.spares
    spare.held = 500
    assert not window.is_misfit(200_000, spare)  # one alone is not enough
    misfits = [window.is_misfit(200_000, spare) for _ in range(10)]
    assert misfits[-1]
    assert window.is_too_large()
    window.shrink()
    assert (window.prefetch, window.spares, window.is_too_large()) == (32, [], False)
    window._primary.held = 0
    assert fill(window, window._primary, 200_000)
    assert window.grow()
    assert window.prefetch * 200_000 <= MAX_WINDOW_BYTES * 1.2


def test_a_prefetch_of_the_small_consumer_alone_never_changes() -> None:
    window = window_of(32)
    assert not fill(window, window._primary, SMALL)
    assert window.grow() is None
