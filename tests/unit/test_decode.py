"""The decoder makes one row or one code of each delivery, whatever its content."""

import copy
import gzip
from datetime import datetime
from uuid import UUID

import orjson
import pytest

from contracts.outcomes import DeadLetterCode
from tests.support.events.decoding import row_of, row_or_code
from tests.support.events.deliveries import SESSION, delete_event, deliver, with_number, write_event
from tests.support.events.samples import read_dead_letters, read_events
from worker.broker.delivery import Properties
from worker.ingest.decode import decode
from worker.ingest.document import InvalidEvent
from worker.store.rows import EventRow

LARGEST = 4096
ID = UUID("8a3ad0c6-9b1e-4a6f-8f36-0f8f5b1d7f10")


def event_of(event: dict[str, object]) -> EventRow:
    return row_of(orjson.dumps(event), str(event["type"]))


def code_of(event: dict[str, object]) -> DeadLetterCode:
    with pytest.raises(InvalidEvent) as refused:
        event_of(event)
    return refused.value.code


def change(path: str, value: object) -> dict[str, object]:
    """Return a valid write where one field, given by its path, has this value; `...` removes it."""
    *parents, name = path.split(".")
    event = at = copy.deepcopy(write_event())
    for parent in parents:
        at = at[parent]  # type: ignore[assignment]
    at[name] = value
    if value is ...:
        del at[name]
    return event


def test_a_write_becomes_a_row() -> None:
    assert event_of(write_event(plugin={"a": 1})) == EventRow(
        "sess_1",
        1_762_511_400_123_000,
        ID,
        None,
        False,
        "player_1",
        b'{"difficulty":"medium","objectives":[]}',
        b'{"currentObjectiveIndex":0}',
        b'{"plugin":{"a":1},"completedAt":null}',
        "2025-11-07T10:30:00+00:00",
        None,
    )


def test_a_delete_becomes_a_row_without_content() -> None:
    event = {**delete_event(), "data": {"revision": 2, "expectedRevision": 1, "session": "ignored"}}
    assert event_of(event) == EventRow("sess_1", 2, ID, 1, True)


@pytest.mark.parametrize(("given", "extra"), [({}, None), ({"completedAt": None}, b'{"completedAt":null}')])
def test_a_null_completion_is_told_from_an_absent_one(given: dict[str, None], extra: bytes | None) -> None:
    session = {name: value for name, value in SESSION.items() if name != "completedAt"}
    row = event_of(change("data.session", {**session, **given}))
    assert (row.completed_at, row.extra) == (None, extra)


def test_a_body_over_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(InvalidEvent) as refused:
        decode(deliver(b"{" * (LARGEST + 1)), None, LARGEST)
    assert refused.value.code == "too_large"
    assert str(LARGEST) in refused.value.message


def test_a_body_of_exactly_the_limit_is_accepted() -> None:
    body = orjson.dumps(write_event())
    assert decode(deliver(body), Properties(), len(body)).event.session_id == "sess_1"


def test_undecodable_properties_are_refused_whatever_the_body_says() -> None:
    with pytest.raises(InvalidEvent) as refused:
        decode(deliver(orjson.dumps(write_event())), None, LARGEST)
    assert refused.value.code == "bad_properties"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "base64"])
def test_an_encoded_body_is_refused_and_never_decoded(encoding: str) -> None:
    body = orjson.dumps(write_event())
    with pytest.raises(InvalidEvent) as refused:
        decode(deliver(body), Properties(content_encoding=encoding), LARGEST)
    assert refused.value.code == "bad_schema"


@pytest.mark.parametrize("encoding", ["", "utf-8", "UTF-8", "identity"])
def test_a_content_encoding_that_changes_nothing_is_fine(encoding: str) -> None:
    body = orjson.dumps(write_event())
    assert decode(deliver(body), Properties(content_encoding=encoding), LARGEST).event.revision


def test_a_body_compressed_without_saying_so_is_refused() -> None:
    assert row_or_code(gzip.compress(orjson.dumps(write_event()))) == "bad_schema"


@pytest.mark.parametrize(
    ("event", "key"),
    [(write_event(), "session.delete"), (delete_event(), "session.write")],
    ids=["write", "delete"],
)
def test_a_type_that_is_not_the_routing_key_is_refused(event: dict[str, object], key: str) -> None:
    assert row_or_code(orjson.dumps(event), key) == "bad_schema"


@pytest.mark.parametrize(
    "path",
    [
        *("specversion", "id", "source", "type", "subject", "data", "data.revision", "data.session"),
        *(f"data.session.{name}" for name in SESSION if name != "completedAt"),
    ],
)
def test_a_missing_field_is_refused(path: str) -> None:
    assert row_or_code(orjson.dumps(change(path, ...))) == "bad_schema"


@pytest.mark.parametrize(
    ("path", "values", "code"),
    [
        ("specversion", ["1.1", "", 1.0, None], "bad_schema"),
        ("type", ["session.read", "", None, 1], "bad_schema"),
        ("source", ["", None, 1], "bad_schema"),
        ("id", [None, 1, {}], "bad_schema"),
        (
            "id",
            ["", "1", "x" * 36, "8a3ad0c69b1e4a6f8f360f8f5b1d7f10", f"{{{ID}}}", f"{ID}\n", f"{ID}{ID}"],
            "bad_id",
        ),
        ("subject", [None, 1, []], "bad_schema"),
        ("subject", ["", "x" * 256, "a\nb", "\x00", "\x7f", "\x9f"], "bad_id"),
        ("subject", ["sess_2", "sess_1 ", "SESS_1"], "subject_mismatch"),
        ("data", [None, [], "x", 1], "bad_schema"),
        ("data.revision", [0, -1, 2**53, 2**63, 1.0, 1e3, "5", True, None, [], {}], "bad_revision"),
        ("data.expectedRevision", [-1, 2**53, 1.5, "5", False, []], "bad_revision"),
        ("data.session", [None, [], "x"], "bad_schema"),
        ("data.session.sessionId", ["", "x" * 256, "a\tb", "a\u0000"], "bad_id"),
        ("data.session.sessionId", ["sess_2"], "subject_mismatch"),
        ("data.session.playerId", ["", "x" * 256, "a\rb", "\u0085"], "bad_id"),
        ("data.session.playerId", [None, 1, {}], "bad_schema"),
        ("data.session.encounter", [None, [], "x", 1, True], "bad_schema"),
        ("data.session.state", [None, [], "x", 1, False], "bad_schema"),
        ("data.session.startedAt", [None, 1762511400, True, {}], "bad_schema"),
        ("data.session.completedAt", [1762511400, False, []], "bad_schema"),
        ("data.session.encounter", [{"title": "a\u0000b"}, {"\u0000": 1}], "nul_character"),
        ("data.session.plugin", ["\u0000"], "nul_character"),
    ],
)
def test_a_field_that_breaks_its_rule_is_refused(path: str, values: list[object], code: str) -> None:
    assert {repr(value): row_or_code(orjson.dumps(change(path, value))) for value in values} == {
        repr(value): code for value in values
    }


@pytest.mark.parametrize("field", ["startedAt", "completedAt"])
@pytest.mark.parametrize(
    "time",
    [
        "",
        "now",
        "infinity",
        "-infinity",
        "2025-11-07",
        "2025-11-07T10:30:00",
        "2025-11-07 10:30:00Z",
        "2025-02-30T00:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-11-07T24:00:00Z",
        "2025-12-31T23:59:60Z",
        "2025-11-07T10:30:00.1234567Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z",
        "٢٠٢٥-11-07T10:30:00Z",
        "1762511400",
    ],
)
def test_a_time_that_is_no_moment_is_refused(field: str, time: str) -> None:
    assert code_of(change(f"data.session.{field}", time)) == "bad_time"


@pytest.mark.parametrize("where", ["encounter", "state", "plugin"])
@pytest.mark.parametrize(
    "number", [str(2**64), "1e400", "1e-400", "0.12345678901234567", "9007199254740993e0"]
)
def test_a_number_that_would_change_is_refused_anywhere_in_a_session(where: str, number: str) -> None:
    assert row_or_code(with_number(number, where)) == "bad_number"


@pytest.mark.parametrize("content", [{}, {"data": None}, {"data": []}, {"data": "x"}, {"data": {}}])
def test_a_number_that_would_change_hides_no_other_fault(content: dict[str, object]) -> None:
    body = orjson.dumps({"n": "NUMBER", **content}).replace(b'"NUMBER"', str(2**64).encode())
    assert row_or_code(body) == "bad_schema"


def test_a_nesting_that_breaks_other_rules_too_is_too_deep() -> None:
    assert row_or_code(b'{"id":' * 65 + b"1" + b"}" * 65) == "too_deep"


@pytest.mark.parametrize(
    "subject", ["x" * 255, "\U0001f9c2" * 255, " ", "a b", "sess/ü", "'; DROP TABLE sessions"]
)
def test_an_id_of_any_255_characters_is_accepted(subject: str) -> None:
    event = write_event(sessionId=subject, playerId=subject)
    assert event_of({**event, "subject": subject})[:1] == (subject,)


def test_unknown_attributes_of_the_event_are_ignored() -> None:
    strange = {"traceparent": "00-\u0000", "n": 0.5, "deep": [[[]]], "dataschema": None, "data_base64": "x"}
    assert event_of({**write_event(), **strange}) == event_of(write_event())


@pytest.mark.parametrize("given", [None, "2025-11-07T11:30:00.500+01:00"])
def test_the_time_that_the_publisher_gave_an_event_is_kept(given: str | None) -> None:
    body = orjson.dumps({**write_event(), "time": given})
    assert decode(deliver(body), Properties(), LARGEST).time == (given and datetime.fromisoformat(given))


def test_a_refusal_keeps_what_could_be_read_of_the_event() -> None:
    with pytest.raises(InvalidEvent) as refused:
        event_of({**write_event(), "data": None})
    assert refused.value.document["id"] == str(ID)
    with pytest.raises(InvalidEvent) as unreadable:
        row_of(b'{"id":')
    assert unreadable.value.document == {}


def test_every_sample_is_a_row_or_has_the_expected_code() -> None:
    codes: dict[str, str] = {}
    for event in read_events():
        match row_or_code(orjson.dumps(event), str(event["type"])):
            case DeadLetterCode() as code:
                codes[str(event["id"])] = code
    assert codes == read_dead_letters()
