import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.session import Session, format_timestamp
from tests.support.events.samples import read_dead_letters, read_events
from tests.support.events.strategies import sessions

PLAIN: dict[str, object] = {
    "sessionId": "sess_1",
    "playerId": "player_1",
    "encounter": {"difficulty": "hard"},
    "state": {},
    "startedAt": "2025-11-07T10:30:00.000Z",
}


def came_back(session: Session) -> object:
    return session.model_dump(mode="json", exclude_unset=True)


@given(sessions())
def test_a_session_comes_back_as_it_went_in(sent: dict[str, object]) -> None:
    assert came_back(Session.model_validate(sent)) == sent


@given(sessions())
def test_a_session_read_from_bytes_equals_the_one_read_from_values(sent: dict[str, object]) -> None:
    from_bytes = Session.model_validate_json(orjson.dumps(sent))
    assert from_bytes == Session.model_validate(sent)


def test_every_sample_session_comes_back_as_it_went_in() -> None:
    for event in read_events():
        data = event["data"]
        if event["id"] not in read_dead_letters() and isinstance(data, dict) and "session" in data:
            assert came_back(Session.model_validate(data["session"])) == data["session"]


def test_a_null_completion_is_told_from_an_absent_one() -> None:
    absent = Session.model_validate(PLAIN)
    null = Session.model_validate({**PLAIN, "completedAt": None})
    assert absent.completed_at is null.completed_at is None
    assert "completed_at" not in absent.model_fields_set
    assert "completed_at" in null.model_fields_set


@pytest.mark.parametrize(
    "name", ["completed_at", "session_id", "model_extra", "model_dump", "__class__", "data"]
)
def test_a_plugins_field_never_stands_for_one_of_the_sessions_own(name: str) -> None:
    sent = {**PLAIN, name: 5}
    session = Session.model_validate(sent)
    assert (session.session_id, session.completed_at) == ("sess_1", None)
    assert session.model_extra == {name: 5}
    assert came_back(session) == sent


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_every_field_but_the_completion_is_required(name: str) -> None:
    with pytest.raises(ValidationError, match="Field required"):
        Session.model_validate({key: value for key, value in PLAIN.items() if key != name})


def test_a_session_never_changes() -> None:
    session = Session.model_validate(PLAIN)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(session, "player_id", "player_2")  # noqa: B010 - the type checker refuses it already


def test_its_content_is_not_copied() -> None:
    assert Session.model_validate(PLAIN).encounter is PLAIN["encounter"]


@given(st.sampled_from(["+00:00", "-00:00", "+01:00", "-11:30"]))
def test_a_start_with_any_offset_comes_back_as_the_same_moment_in_utc(offset: str) -> None:
    session = Session.model_validate({**PLAIN, "startedAt": f"2025-11-07T10:30:00{offset}"})
    again = Session.model_validate(came_back(session))
    assert again.started_at == session.started_at
    assert format_timestamp(again.started_at).endswith("Z")
