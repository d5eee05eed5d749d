from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.dead_letters import DeadLetterHeaders
from contracts.faults import ErrorReason, make_error, refuse_params
from contracts.outcomes import DeadLetterCode, Outcome
from contracts.replies import (
    RESULTS,
    Answer,
    Confirmation,
    Failure,
    HealthResult,
    QueryResult,
    Record,
    StatsResult,
)
from contracts.requests import Method, parse_params
from tests.support.events.strategies import sessions, times

EVENT_ID = str(uuid4())
CONFIRMED: dict[str, object] = {"id": EVENT_ID, "subject": "sess_1", "outcome": "stored", "revision": 5}


@pytest.mark.parametrize(
    ("reason", "code", "retryable"),
    [
        ("parse_error", -32700, False),
        ("invalid_request", -32600, False),
        ("unknown_method", -32601, False),
        ("invalid_params", -32602, False),
        ("storage_unavailable", -32001, True),
        ("timeout", -32002, True),
        ("not_yet_visible", -32003, True),
        ("too_large", -32004, False),
        ("overloaded", -32005, True),
        ("bad_signature", -32006, False),
        ("internal_error", -32603, False),
    ],
)
def test_every_reason_has_its_code_and_says_whether_to_ask_again(
    reason: str, code: int, retryable: bool
) -> None:
    error = make_error(ErrorReason(reason), "because")
    assert (error.code, error.data.reason.value, error.data.retryable) == (code, reason, retryable)


def test_no_two_reasons_share_a_code() -> None:
    assert len({reason.code for reason in ErrorReason}) == len(ErrorReason) == 11


def test_wrong_parameters_are_told_one_by_one() -> None:
    with pytest.raises(ValidationError) as caught:
        parse_params("session.read", {"sessionId": 5, "minRevision": 0})
    error = refuse_params(caught.value)
    assert (error.code, error.message) == (-32602, "sessionId must be a string (got 5)")
    assert error.model_dump(mode="json")["data"] == {
        "reason": "invalid_params",
        "retryable": False,
        "details": [
            {"field": "sessionId", "message": "sessionId must be a string (got 5)"},
            {"field": "minRevision", "message": "minRevision must be an integer from 1 to 2^53-1 (got 0)"},
        ],
    }


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"outcome": "absent", "revision": None},
        {"outcome": "duplicate", "first": "stored"},
        {
            "outcome": "rejected",
            "code": "bad_id",
            "message": "id must be a UUID",
            "id": None,
            "subject": None,
        },
    ],
)
def test_a_confirmation_comes_back_as_it_went_out(more: dict[str, object]) -> None:
    sent = {**CONFIRMED, **more}
    for confirmation in (
        Confirmation.model_validate(sent),
        Confirmation.model_validate_json(orjson.dumps(sent)),
    ):
        assert confirmation.model_dump(mode="json", exclude_unset=True) == sent
        assert isinstance(confirmation.outcome, Outcome)


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "lost"},
        {"outcome": "rejected"},
        {"outcome": "rejected", "code": "bad_id"},
        {"outcome": "duplicate"},
        {"code": None},
        {"revision": 0},
        {"revision": "5"},
    ],
)
def test_a_confirmation_that_leaves_out_what_its_outcome_needs_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Confirmation.model_validate({**CONFIRMED, **wrong})


@given(sessions(), st.integers(1, 2**53 - 1), times, times)
def test_a_record_comes_back_as_it_went_out(
    session: dict[str, object], revision: int, created: str, updated: str
) -> None:
    sent = {"session": session, "revision": revision, "createdAt": created, "updatedAt": updated}
    for record in (Record.model_validate(sent), Record.model_validate_json(orjson.dumps(sent))):
        assert record.model_dump(mode="json", exclude_unset=True) == sent


def test_every_method_has_a_result() -> None:
    assert list(RESULTS) == list(Method)


HEALTH = {"ok": True, "database": "ok", "lagSeconds": 0.5, "version": "0.1.0"}


def test_the_health_of_a_worker_of_an_earlier_release_is_read() -> None:
    assert HealthResult.model_validate(HEALTH).time is None


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("session.read", {"record": None}),
        ("session.readMany", {"records": [None]}),
        ("session.query", {"records": [], "nextCursor": None}),
        ("session.count", {"count": 0}),
        (
            "session.stats",
            {
                "totalSessions": 0,
                "completedSessions": 0,
                "activeSessions": 0,
                "avgCompletionTimeSeconds": None,
            },
        ),
        ("health.check", {**HEALTH, "time": "2025-11-07T10:30:00.123Z"}),
    ],
)
def test_a_result_comes_back_as_it_went_out(method: str, result: dict[str, object]) -> None:
    assert RESULTS[method].model_validate(result).model_dump(mode="json") == result


def test_a_newer_workers_unknown_fields_are_ignored() -> None:
    assert QueryResult.model_validate({"records": [], "nextCursor": None, "total": 5}).records == []


def test_a_count_is_not_negative() -> None:
    with pytest.raises(ValidationError):
        StatsResult.model_validate(
            {
                "totalSessions": -1,
                "completedSessions": 0,
                "activeSessions": 0,
                "avgCompletionTimeSeconds": None,
            }
        )


def test_replies_are_told_apart_by_their_members() -> None:
    error = make_error(ErrorReason.TIMEOUT, "too slow").model_dump(mode="json")
    failure = Failure.model_validate({"jsonrpc": "2.0", "id": None, "error": error})
    assert failure.error.data.reason is ErrorReason.TIMEOUT
    with pytest.raises(ValidationError):
        Answer.model_validate({"jsonrpc": "2.0", "id": None, "error": error})


def test_dead_letter_headers_are_read_by_their_wire_names() -> None:
    headers = {
        "x-code": "bad_time",
        "x-message": "data.session.startedAt names no moment",
        "x-failed-at": "2025-11-07T10:30:00.000Z",
        "x-origin-queue": "session.write",
        "x-death": [],
    }
    read = DeadLetterHeaders.model_validate(headers)
    assert read.code is DeadLetterCode.BAD_TIME
    assert read.model_dump(mode="json") == {name: headers[name] for name in headers if name != "x-death"}
