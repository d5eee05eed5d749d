"""How long a request may take when the clocks of its caller and the worker differ."""

from time import monotonic, time

import pytest
from pamqp.common import FieldTable

from worker.broker.delivery import Delivery, Properties
from worker.rpc.deadline import patience_of

LIMIT = 30.0
HOUR = 3600.0


def patience(
    deadline: float | None = None, expiration: str | None = None, waited: float = 0.0
) -> tuple[float, float]:
    """Return the seconds left, and by how much the caller is ahead, of a request with these bounds in seconds."""
    headers: FieldTable = {} if deadline is None else {"deadline": int((time() + deadline) * 1000)}
    delivery = Delivery("session.rpc", 1, False, "session.rpc", b"", b"", received=monotonic() - waited)
    found, ahead = patience_of(delivery, Properties(headers=headers, expiration=expiration), LIMIT)
    return found.left(), ahead


def about(seconds: float) -> object:
    """Return a value that equals this time within the delay of a slow machine."""
    return pytest.approx(seconds, abs=0.9)


@pytest.mark.parametrize(("deadline", "left"), [(5, 5), (-5, -5), (HOUR, LIMIT), (None, LIMIT)])
def test_a_deadline_without_an_expiration_is_by_the_wall_clock(deadline: float | None, left: float) -> None:
    assert patience(deadline) == (about(left), 0)


@pytest.mark.parametrize("deadline", [5, 4.5, None])
def test_clocks_that_agree_show_no_difference(deadline: float | None) -> None:
    assert patience(deadline, "5000") == (about(5), 0)


def test_a_request_that_waited_in_the_queue_has_what_is_left() -> None:
    assert patience(2, "5000") == (about(2), 0)


@pytest.mark.parametrize(("deadline", "ahead"), [(5 - HOUR, 5 - HOUR), (5 + HOUR, HOUR), (-1.5, -1.5)])
def test_a_caller_whose_clock_differs_has_the_time_that_it_waits(deadline: float, ahead: float) -> None:
    assert patience(deadline, "5000") == (about(5), about(ahead))


@pytest.mark.parametrize("deadline", [-0.5, 5.5])
def test_a_difference_of_less_than_a_second_is_none(deadline: float) -> None:
    assert patience(deadline, "5000") == (about(5), 0)


@pytest.mark.parametrize("deadline", [5, 5 - HOUR, 5 + HOUR])
def test_the_time_that_a_request_waited_here_counts(deadline: float) -> None:
    assert patience(deadline, "5000", waited=6)[0] < 0
    assert patience(deadline, "60000", waited=0)[0] <= LIMIT


@pytest.mark.parametrize("expiration", ["", "soon", "-1", "1.5", "²"])
def test_an_expiration_that_is_no_number_is_none(expiration: str) -> None:
    assert patience(7, expiration) == (about(7), 0)
