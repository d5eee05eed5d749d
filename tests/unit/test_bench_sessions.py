"""The sessions that the benchmark stores."""

import zlib

import orjson
import pytest

from tests.bench.events import make_events
from tests.bench.sessions import draw_sessions
from tests.support.events.decoding import row_of
from worker.ingest.plain_event import read_plain


@pytest.mark.parametrize("size", [750, 2_000, 4_000, 20_000, 200_000])
def test_events_have_the_size_that_is_asked_for_and_are_good(size: int) -> None:
    events = make_events(3, size=size)
    sizes = [len(event.body) for event in events]
    assert all(abs(each - size) < max(0.03 * size, 100) for each in sizes), sizes
    for event in events:
        assert row_of(event.body).session_id == event.session_id
        assert read_plain(event.body, "session.write") is not None


def test_the_same_sessions_are_drawn_each_time_and_no_two_are_alike() -> None:
    drawn = draw_sessions(2_000)
    assert drawn == draw_sessions(2_000)
    assert len({orjson.dumps(session) for session in drawn}) == len(drawn)


def test_sessions_shrink_as_prose_does_and_not_as_padding() -> None:
    body = orjson.dumps(draw_sessions(20_000)[0])
    assert 0.25 < len(zlib.compress(body)) / len(body) < 0.5
