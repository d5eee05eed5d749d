"""Cursors: each one gives its position back, and no other text is accepted as a cursor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events.strategies import identifiers
from worker.store.cursor import CursorCodec, CursorRefused, Position

CODEC = CursorCodec("a secret")
QUERY = b"a filter and an order"
POSITION = Position("2025-11-07T10:30:00.123456+00:00", "sess_0f3c9a 🧂")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
STRANGE = "+/=!\n \0é🧂"

positions = st.builds(Position, st.none() | st.datetimes().map(str) | st.just("infinity"), identifiers)


@given(positions, st.binary())
def test_a_position_comes_back_from_its_cursor(position: Position, query: bytes) -> None:
    assert CODEC.read(CODEC.write(position, query), query) == position


@given(positions, st.binary())
def test_a_cursor_fits_into_a_request_and_a_url(position: Position, query: bytes) -> None:
    cursor = CODEC.write(position, query)
    assert set(cursor) <= set(ALPHABET)
    assert len(cursor) <= 4096


@pytest.mark.parametrize(
    "position", [POSITION, Position(None, "s"), Position(None, "sess"), Position(None, "se")]
)
def test_a_cursor_with_any_character_changed_is_refused(position: Position) -> None:
    cursor = CODEC.write(position, QUERY)
    for at, own in enumerate(cursor):
        for other in (ALPHABET + STRANGE).replace(own, ""):
            assert_refused(cursor[:at] + other + cursor[at + 1 :])


def test_a_cursor_with_any_character_added_or_taken_away_is_refused() -> None:
    cursor = CODEC.write(POSITION, QUERY)
    for at in range(len(cursor) + 1):
        for added in "A" + STRANGE:
            assert_refused(cursor[:at] + added + cursor[at:])
        if at < len(cursor):
            assert_refused(cursor[:at] + cursor[at + 1 :])


def test_a_cursor_of_another_secret_or_another_query_is_refused() -> None:
    assert_refused(CursorCodec("another secret").write(POSITION, QUERY))
    assert_refused(CODEC.write(POSITION, QUERY + b"?"))


def test_replicas_with_the_same_secret_read_each_others_cursors() -> None:
    assert CursorCodec("a secret").read(CODEC.write(POSITION, QUERY), QUERY) == POSITION


@given(st.text())
def test_no_text_that_was_not_given_out_is_a_cursor(text: str) -> None:
    assert_refused(text)


def assert_refused(cursor: str) -> None:
    with pytest.raises(CursorRefused):
        CODEC.read(cursor, QUERY)
