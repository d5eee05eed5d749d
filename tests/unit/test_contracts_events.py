from typing import cast
from uuid import UUID

import pytest
from hypothesis import given
from pydantic import ValidationError

from contracts.events import EVENT, DeleteEvent, WriteEvent, code_of, describe
from tests.support.events.samples import OUTSIDE_THE_MODELS, read_dead_letters, read_events
from tests.support.events.strategies import events

SESSION: dict[str, object] = {
    "sessionId": "sess_1",
    "playerId": "player_1",
    "encounter": {},
    "state": {},
    "startedAt": "2025-11-07T10:30:00.000Z",
}
WRITE: dict[str, object] = {
    "specversion": "1.0",
    "id": "8a3ad0c6-9b1e-4a6f-8f36-0f8f5b1d7f10",
    "source": "engine/eu-1",
    "type": "session.write",
    "subject": "sess_1",
    "time": "2025-11-07T10:30:00.123Z",
    "data": {"revision": 5, "expectedRevision": None, "session": SESSION},
}
DELETE: dict[str, object] = {**WRITE, "type": "session.delete", "data": {"revision": 6}}


def refuse(event: object) -> tuple[str, str]:
    with pytest.raises(ValidationError) as caught:
        EVENT.validate_python(event)
    return code_of(caught.value).value, describe(caught.value)


def write_of(**session: object) -> dict[str, object]:
    return {**WRITE, "data": {"revision": 5, "session": {**SESSION, **session}}}


@given(events())
def test_any_valid_event_is_read_for_what_it_says(sent: dict[str, object]) -> None:
    event = EVENT.validate_python(sent)
    content = cast(dict[str, object], sent["data"])
    assert isinstance(event, WriteEvent if "session" in content else DeleteEvent)
    assert (str(event.id), event.subject, event.source) == (sent["id"], sent["subject"], sent["source"])
    assert event.data.model_dump(mode="json", exclude_unset=True) == content


def test_every_valid_sample_is_accepted() -> None:
    refused = {event_id for event_id, code in read_dead_letters().items() if code not in OUTSIDE_THE_MODELS}
    accepted = [event for event in read_events() if event["id"] not in refused]
    assert len(accepted) > 700
    for event in accepted:
        assert EVENT.validate_python(event).id == UUID(str(event["id"]))


@pytest.mark.parametrize(("event_id", "code"), read_dead_letters().items())
def test_each_invalid_sample_is_refused_with_its_code(event_id: str, code: str) -> None:
    (event,) = [event for event in read_events() if event["id"] == event_id]
    if code in OUTSIDE_THE_MODELS:
        assert EVENT.validate_python(event).id == UUID(event_id)
    else:
        assert refuse(event)[0] == code


def test_unknown_attributes_are_ignored_on_every_level() -> None:
    extended = {**DELETE, "traceparent": "00-…", "data": {"revision": 6, "reason": "x", "session": 5}}
    assert EVENT.validate_python(extended) == EVENT.validate_python(DELETE)


@pytest.mark.parametrize("name", ["specversion", "id", "source", "subject", "data"])
def test_a_missing_attribute_is_bad_schema_and_named(name: str) -> None:
    assert refuse({key: value for key, value in WRITE.items() if key != name}) == (
        "bad_schema",
        f"{name} is missing",
    )


def test_time_may_be_absent_or_null() -> None:
    assert EVENT.validate_python({**DELETE, "time": None}).time is None
    assert EVENT.validate_python({key: DELETE[key] for key in DELETE if key != "time"}).time is None


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"specversion": "0.3"}, "bad_schema", "specversion must be '1.0' (got \"0.3\")"),
        ({"specversion": 1.0}, "bad_schema", "specversion must be '1.0' (got 1.0)"),
        ({"id": 5}, "bad_schema", "id must be a string (got 5)"),
        ({"id": "5"}, "bad_id", 'id must be a UUID of 36 characters (got "5")'),
        ({"source": ""}, "bad_schema", 'source must not be empty (got "")'),
        ({"subject": None}, "bad_schema", "subject must be a string (got null)"),
        ({"subject": ""}, "bad_id", "subject must be 1 to 255 characters without control characters"),
        ({"subject": "sess_2"}, "subject_mismatch", "subject must equal data.session.sessionId"),
        ({"time": 5}, "bad_schema", "time must be a string (got 5)"),
        ({"time": "now"}, "bad_time", "time must be an RFC 3339 date and time with an offset"),
        ({"data": []}, "bad_schema", "data must be an object (got an array)"),
        ({"data": "x"}, "bad_schema", 'data must be an object (got "x")'),
        ({"data": {"revision": 5}}, "bad_schema", "data.session is missing"),
        ({"data": {"session": SESSION}}, "bad_schema", "data.revision is missing"),
    ],
)
def test_a_wrong_attribute_is_refused_with_its_code_and_rule(
    change: dict[str, object], code: str, said: str
) -> None:
    found, sentence = refuse({**WRITE, **change})
    assert found == code
    assert sentence.startswith(said)


@pytest.mark.parametrize("kind", ["session.rpc", "session.Write", "", None, 5, []])
def test_an_unknown_type_is_bad_schema(kind: object) -> None:
    assert refuse({**WRITE, "type": kind}) == ("bad_schema", "type must be session.write or session.delete")


def test_an_event_without_a_type_is_bad_schema() -> None:
    assert refuse({"specversion": "1.0"}) == ("bad_schema", "type is missing")


@pytest.mark.parametrize("document", [None, 1, "x", []])
def test_what_is_no_object_is_bad_schema(document: object) -> None:
    assert refuse(document) == ("bad_schema", "must be an object")


@pytest.mark.parametrize("revision", [0, -1, 2**53, 1.0, "5", True, None])
@pytest.mark.parametrize("event", [WRITE, DELETE], ids=["write", "delete"])
def test_a_revision_outside_its_range_is_a_bad_revision(event: dict[str, object], revision: object) -> None:
    content = cast(dict[str, object], event["data"])
    assert refuse({**event, "data": {**content, "revision": revision}})[0] == "bad_revision"


@pytest.mark.parametrize("expected", [-1, 2**53, 0.0, "0", False])
def test_an_expected_revision_outside_its_range_is_a_bad_revision(expected: object) -> None:
    content = {"revision": 6, "expectedRevision": expected}
    code, sentence = refuse({**DELETE, "data": content})
    assert code == "bad_revision"
    assert sentence.startswith("data.expectedRevision must be an integer from 0 to 2^53-1")


@pytest.mark.parametrize("expected", [0, 1, 2**53 - 1, None])
def test_an_expected_revision_may_be_given(expected: int | None) -> None:
    event = EVENT.validate_python({**DELETE, "data": {"revision": 6, "expectedRevision": expected}})
    assert event.data.expected_revision == expected


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"encounter": []}, "bad_schema"),
        ({"state": None}, "bad_schema"),
        ({"playerId": 5}, "bad_schema"),
        ({"playerId": "a\tb"}, "bad_id"),
        ({"startedAt": None}, "bad_schema"),
        ({"startedAt": "2025-02-30T00:00:00Z"}, "bad_time"),
        ({"completedAt": 5}, "bad_schema"),
        ({"completedAt": "2025-02-03T00:00:00"}, "bad_time"),
    ],
)
def test_a_wrong_field_of_the_session_is_refused_with_its_code(change: dict[str, object], code: str) -> None:
    (name,) = change
    found, sentence = refuse(write_of(**change))
    assert found == code
    assert sentence.startswith(f"data.session.{name} ")


def test_a_wrong_shape_is_told_before_a_wrong_value() -> None:
    event = {**write_of(playerId="", startedAt="now", encounter=[]), "id": "5"}
    assert refuse(event) == ("bad_schema", "data.session.encounter must be an object (got an array)")


def test_of_several_wrong_values_the_first_in_the_order_of_the_fields_is_told() -> None:
    event = {**write_of(startedAt="now", playerId=""), "subject": ""}
    assert refuse(event)[1].startswith("subject ")
    assert refuse(write_of(startedAt="now", playerId=""))[1].startswith("data.session.playerId ")


def test_an_event_never_changes() -> None:
    event = EVENT.validate_python(DELETE)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(event, "subject", "sess_2")  # noqa: B010 - the type checker refuses it already
