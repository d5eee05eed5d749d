from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.refusals import code_of, describe
from contracts.scalars import (
    EventId,
    ExpectedRevision,
    Identifier,
    JsonObject,
    Revision,
    Timestamp,
    format_timestamp,
    parse_timestamp,
)

IDENTIFIER = TypeAdapter[str](Identifier)
EVENT_ID = TypeAdapter[UUID](EventId)
TIMESTAMP = TypeAdapter[datetime](Timestamp)
REVISION = TypeAdapter[int](Revision)
EXPECTED_REVISION = TypeAdapter[int](ExpectedRevision)
OBJECT = TypeAdapter[dict[str, object]](JsonObject)

SAMPLE_ID = "8a3ad0c6-9b1e-4a6f-8f36-0f8f5b1d7f10"


Kind = TypeVar("Kind")


def code_for(adapter: TypeAdapter[Kind], value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value)
    return code_of(caught.value).value


@pytest.mark.parametrize(
    "value", ["x", "x" * 255, "sess_0f3c9a…", "霧の中の灯台", "🧂" * 255, "a b", " ", "\u200b"]
)
def test_an_identifier_is_up_to_255_characters_of_any_script(value: str) -> None:
    assert IDENTIFIER.validate_python(value) == value
    assert len(value.encode()) <= 1_020


@pytest.mark.parametrize(
    "value", ["", "x" * 256, "🧂" * 256, "a\nb", "a\n", "\0", "\x1f", "\x7f", "\x80", "\x85", "\x9f", "é\t"]
)
def test_an_identifier_that_is_empty_long_or_has_control_characters_is_a_bad_id(value: str) -> None:
    assert code_for(IDENTIFIER, value) == "bad_id"


@pytest.mark.parametrize("value", [None, 5, True, 1.5, [], {}, b"sess_1"])
def test_an_identifier_that_is_no_string_is_bad_schema(value: object) -> None:
    assert code_for(IDENTIFIER, value) == "bad_schema"
    assert code_for(EVENT_ID, value) == "bad_schema"


@pytest.mark.parametrize("value", [SAMPLE_ID, SAMPLE_ID.upper(), "00000000-0000-0000-0000-000000000000"])
def test_an_event_id_is_a_uuid_in_either_case(value: str) -> None:
    assert EVENT_ID.validate_python(value) == UUID(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "8a3ad0c6",
        SAMPLE_ID.replace("-", ""),
        f"{{{SAMPLE_ID}}}",
        f"urn:uuid:{SAMPLE_ID}",
        f"{SAMPLE_ID}\n",
        SAMPLE_ID[:-1],
        SAMPLE_ID[:-1] + "g",
        SAMPLE_ID[:-1] + "٣",
    ],
)
def test_another_spelling_of_an_event_id_is_a_bad_id(value: str) -> None:
    assert code_for(EVENT_ID, value) == "bad_id"


@pytest.mark.parametrize("value", [1, 2**53 - 1, 1_762_511_400_123_000])
def test_a_revision_is_a_positive_integer_that_a_double_holds(value: int) -> None:
    assert REVISION.validate_python(value) == value


@pytest.mark.parametrize("value", [0, -1, 2**53, 2**64, 1.0, "5", True, None, [], {}])
def test_anything_else_is_a_bad_revision(value: object) -> None:
    assert code_for(REVISION, value) == "bad_revision"


@pytest.mark.parametrize("value", [-1, 2**53, 0.0, "0", False, []])
def test_an_expected_revision_may_be_zero_and_nothing_less(value: object) -> None:
    assert EXPECTED_REVISION.validate_python(0) == 0
    assert code_for(EXPECTED_REVISION, value) == "bad_revision"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-11-07T10:30:00Z", datetime(2025, 11, 7, 10, 30, tzinfo=UTC)),
        ("2025-11-07T10:30:00.123Z", datetime(2025, 11, 7, 10, 30, 0, 123_000, tzinfo=UTC)),
        ("2025-11-07t10:30:00.5z", datetime(2025, 11, 7, 10, 30, 0, 500_000, tzinfo=UTC)),
        ("2025-11-07T10:30:00.123456000Z", datetime(2025, 11, 7, 10, 30, 0, 123_456, tzinfo=UTC)),
        ("2025-11-07T10:30:00+05:30", datetime(2025, 11, 7, 5, 0, tzinfo=UTC)),
        ("2025-11-07T10:30:00-00:00", datetime(2025, 11, 7, 10, 30, tzinfo=UTC)),
        ("2024-02-29T23:59:59-23:59", datetime(2024, 3, 1, 23, 58, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_a_timestamp_is_read_as_the_same_moment_in_utc(text: str, moment: datetime) -> None:
    read = TIMESTAMP.validate_python(text)
    assert read == moment
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("2025-02-03T00:00:00", "must have an offset"),
        ("2025-02-30T00:00:00Z", "names no moment: the month has no such day"),
        ("2025-02-29T00:00:00+01:00", "the month has no such day"),
        ("0000-01-01T00:00:00Z", "names no moment: there is no year 0"),
        ("2016-12-31T23:59:60Z", "leap second"),
        ("2016-12-31T23:59:60.5+00:00", "leap second"),
        ("2025-11-07T10:30:00.1234567Z", "finer than a microsecond"),
        ("9999-12-31T23:59:59-01:00", "outside the years"),
        ("0001-01-01T00:00:00+00:01", "outside the years"),
    ],
)
def test_a_refused_timestamp_is_told_what_is_wrong_with_it(text: str, rule: str) -> None:
    with pytest.raises(ValidationError, match=rule) as caught:
        TIMESTAMP.validate_python(text)
    assert code_of(caught.value) == "bad_time"
    assert rule in describe(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "infinity",
        "-infinity",
        "now",
        "2025-11-07",
        "10:30:00Z",
        "2025-11-07 10:30:00Z",
        "20251107T103000Z",
        "2025-11-07T10:30Z",
        "2025-11-07T10:30:00,5Z",
        "2025-11-07T10:30:00.Z",
        "2025-11-07T10:30:00+0100",
        "2025-11-07T24:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-W45-5T10:30:00Z",
        "2025-11-07T10:30:00+24:00",
        "2025-11-07T10:30:00Z\n",
        " 2025-11-07T10:30:00Z",
        "٢٠٢٥-11-07T10:30:00Z",
        "12025-11-07T10:30:00Z",
        "2025-11-07T10:30:00UTC",
        "1762511400",
    ],
)
def test_other_spellings_of_time_are_a_bad_time(text: str) -> None:
    assert code_for(TIMESTAMP, text) == "bad_time"


@pytest.mark.parametrize("value", [None, 1_762_511_400, 1.5, True, float("inf"), [], {}])
def test_a_timestamp_that_is_no_string_is_bad_schema(value: object) -> None:
    assert code_for(TIMESTAMP, value) == "bad_schema"


def test_a_python_program_may_give_an_aware_datetime_but_not_a_naive_one() -> None:
    east = datetime(2025, 11, 7, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert parse_timestamp(east) == east
    assert parse_timestamp(east).tzinfo is UTC
    assert code_for(TIMESTAMP, east.replace(tzinfo=None)) == "bad_time"


@pytest.mark.parametrize(
    ("microsecond", "written"),
    [(0, "00.000Z"), (120_000, "00.120Z"), (123_456, "00.123456Z"), (1, "00.000001Z")],
)
def test_a_timestamp_is_written_in_utc_with_milliseconds_or_better(microsecond: int, written: str) -> None:
    moment = datetime(2025, 11, 7, 12, 30, 0, microsecond, tzinfo=timezone(timedelta(hours=2)))
    assert format_timestamp(moment) == f"2025-11-07T10:30:{written}"
    assert TIMESTAMP.dump_json(moment) == f'"2025-11-07T10:30:{written}"'.encode()


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_written_timestamp_is_read_as_the_same_moment(moment: datetime) -> None:
    assert TIMESTAMP.validate_python(format_timestamp(moment)) == moment


def test_an_object_is_passed_on_as_it_is() -> None:
    content: dict[str, object] = {"a": {"b": [1]}}
    assert OBJECT.validate_python(content) is content
    assert OBJECT.validate_json(b'{"a": {"b": [1]}}') == content


@pytest.mark.parametrize("value", [None, [], "x", 5, [["a", 1]]])
def test_content_that_is_no_object_is_bad_schema(value: object) -> None:
    assert code_for(OBJECT, value) == "bad_schema"
