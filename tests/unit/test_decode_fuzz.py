"""Random and damaged events: accepted content is kept equal, and the decoder raises only refusals."""

import json
from datetime import datetime
from decimal import Decimal

import orjson
from hypothesis import given
from hypothesis import strategies as st

from contracts.outcomes import DeadLetterCode
from tests.support.events.decoding import row_or_code
from tests.support.events.strategies import OWN_NAMES, events
from tests.support.examples import times
from worker.store.rows import EventRow


def exactly(text: str | bytes) -> dict[str, object]:
    """Parse JSON without changing a number."""
    return dict(json.loads(text, parse_float=Decimal, parse_int=Decimal))


def assert_kept(row: EventRow, session: dict[str, object]) -> None:
    """Assert that the row has every field of the session, equal; times may be written differently."""
    assert row.encounter
    assert row.state
    assert row.started_at
    assert (row.session_id, row.player_id) == (session["sessionId"], session["playerId"])
    assert exactly(row.encounter) == session["encounter"]
    assert exactly(row.state) == session["state"]
    assert datetime.fromisoformat(row.started_at) == datetime.fromisoformat(str(session["startedAt"]))
    extra = {name: value for name, value in session.items() if name not in OWN_NAMES}
    if completed := session.get("completedAt"):
        assert row.completed_at
        assert datetime.fromisoformat(row.completed_at) == datetime.fromisoformat(str(completed))
    elif "completedAt" in session:
        extra["completedAt"] = None
    assert (exactly(row.extra) if row.extra else {}) == extra


def session_in(body: bytes) -> dict[str, object]:
    """Return the session that a write carries."""
    return dict(exactly(body)["data"]["session"])  # type: ignore[index]


@given(events())
@times(2)
def test_every_event_is_kept_equal_or_refused_with_a_code(event: dict[str, object]) -> None:
    body = json.dumps(event).encode()
    match row_or_code(body, str(event["type"])):
        case EventRow(is_delete=False) as row:
            assert_kept(row, session_in(body))
        case EventRow() as row:
            assert row.session_id == event["subject"]
        case code:
            assert code in ("nul_character", "bad_number")
            assert code != "nul_character" or b"\\u0000" in body


@given(st.binary(max_size=200))
@times(5)
def test_random_bytes_are_refused(body: bytes) -> None:
    assert isinstance(row_or_code(body), DeadLetterCode)


@given(events(), st.data())
@times(3)
def test_damaged_events_are_rows_or_refused(event: dict[str, object], data: st.DataObject) -> None:
    body = bytearray(orjson.dumps(event))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        cut = data.draw(st.integers(0, 3))
        body[at : at + cut] = data.draw(st.binary(max_size=3) | st.sampled_from([b"{", b'"', b"0", b"1e400"]))
    match row_or_code(bytes(body), str(event["type"])):
        case EventRow(is_delete=False) as row:
            assert_kept(row, session_in(bytes(body)))
