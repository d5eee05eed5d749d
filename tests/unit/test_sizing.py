"""The sizing model's arithmetic, and its results on the page, from the figures of the benchmark."""

import pytest

from tests.bench.sizing import Assumed, Costs, figure, main, size_of


def test_a_rate_takes_what_its_events_take() -> None:
    costs = Costs(worker=50, database=40, wal=3000, session=3000)
    size = size_of(
        1000, costs, Assumed(broker_us_an_event=100, event_bytes=2000, core_hour=0.1, disk_gb_month=0.5)
    )
    assert (size.workers, size.broker, size.database) == pytest.approx((0.1, 0.2, 0.08))
    assert (size.wal, size.network) == pytest.approx((3, 1000 * 13_000 * 8 / 1e9))
    assert size.disk == pytest.approx(1000 * 86_400 * 30 / 5 * 3000 / 1e12)
    assert size.computing == pytest.approx((0.1 + 0.2 + 0.16) * 0.1 * 730)
    assert size.storing == pytest.approx(size.disk * 1000 * 2 * 0.5)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0934, "0.093"), (9.31, "9.3"), (93.4, "93"), (1234.5, "1,200"), (166_000, "170,000")],
)
def test_a_figure_has_two_digits_that_count(value: float, text: str) -> None:
    assert figure(value) == text


def test_the_page_shows_what_follows_from_the_benchmark() -> None:
    assert main(["--check"]) == 0, "the figures changed; run: python -m tests.bench.sizing"
