"""The client refuses content that would not be read back equal, or that a worker would refuse later."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any
from uuid import uuid4

import orjson
import pytest

from contracts.client import BadRequest, Rejected
from contracts.client.events import EventOptions, OutgoingEvent, check_event, event_message
from contracts.client.rpc import request_message
from contracts.events import EVENT
from contracts.requests import CountParams, Filter, Method
from contracts.session import Session
from contracts.topology import DELETE_KEY, WRITE_KEY

SESSION = {
    "sessionId": "sess_1",
    "playerId": "player_1",
    "encounter": {"difficulty": "hard", "rewards": [0.1, 2**53 - 1, -0.0]},
    "state": {},
    "startedAt": "2025-11-07T10:30:00.000Z",
    "completedAt": None,
    "plugin": {"note": "Ōtsuka “霧”"},
}

OPTIONS = EventOptions("engine/1")

CIRCLE: dict[str, object] = {}
CIRCLE["inner"] = [CIRCLE, CIRCLE]


@dataclass
class Hard:
    score: float


class Level(Enum):
    UNKNOWN = float("nan")


def event_of(session: Any, revision: int = 5) -> OutgoingEvent:
    return OutgoingEvent(WRITE_KEY, "sess_1", revision, None, uuid4(), session)


@pytest.mark.parametrize("session", [SESSION, Session.model_validate(SESSION)], ids=["mapping", "model"])
def test_a_session_is_said_as_it_is(session: Any) -> None:
    body = event_message(event_of(session), OPTIONS).body
    event = EVENT.validate_python(orjson.loads(body))
    assert event.data.revision == 5
    said = Session.model_validate(orjson.loads(body)["data"]["session"])
    assert said.model_dump(mode="json", exclude_unset=True) == SESSION


def test_a_delete_says_no_session() -> None:
    message = event_message(OutgoingEvent(DELETE_KEY, "sess_1", 5, 0, uuid4()), OPTIONS)
    assert orjson.loads(message.body)["data"] == {"revision": 5, "expectedRevision": 0}
    check_event(message)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (float("nan"), "bad_number"),
        (float("-inf"), "bad_number"),
        ([{"deep": (1, float("nan"))}], "bad_number"),
        ([Hard(float("nan"))], "bad_number"),
        (Level.UNKNOWN, "bad_number"),
        (2**64, "bad_number"),
        (-(2**63) - 1, "bad_number"),
        ("\ud800", "bad_json"),
        ({1: "a key that is no text"}, "bad_json"),
        ({"a", "set"}, "bad_json"),
        (CIRCLE, "too_deep"),
    ],
)
def test_what_json_would_change_is_refused_before_it_is_sent(content: object, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        event_message(event_of({**SESSION, "state": {"value": content}}), OPTIONS)
    assert caught.value.code == code


def test_a_question_that_json_would_change_is_refused() -> None:
    params = CountParams(filter=Filter(encounter_contains={"value": float("nan")}))
    with pytest.raises(BadRequest, match="NaN"):
        request_message(Method.COUNT, params)


def nested(depth: int) -> object:
    return {"a": nested(depth - 1)} if depth else 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"startedAt": "yesterday"}, "bad_time"),
        ({"startedAt": "2025-11-07T10:30:00"}, "bad_time"),
        ({"playerId": ""}, "bad_id"),
        ({"state": None}, "bad_schema"),
        ({"sessionId": "sess_2"}, "subject_mismatch"),
        ({"state": {"text": "a\0b"}}, "nul_character"),
        ({"state": {"a\0b": 1}}, "nul_character"),
        ({"state": nested(70)}, "too_deep"),
    ],
)
def test_an_event_that_nobody_waits_for_is_checked_as_the_worker_would(
    changed: dict[str, object], code: str
) -> None:
    check_event(event_message(event_of(SESSION), OPTIONS))
    with pytest.raises(Rejected) as caught:
        check_event(event_message(event_of({**SESSION, **changed}), OPTIONS))
    assert caught.value.code == code


def test_a_revision_out_of_bounds_is_checked_too() -> None:
    with pytest.raises(Rejected) as caught:
        check_event(event_message(event_of(SESSION, revision=0), OPTIONS))
    assert caught.value.code == "bad_revision"


def test_an_event_of_more_bytes_than_are_allowed_is_rejected() -> None:
    event = event_of(SESSION)
    size = len(event_message(event, OPTIONS).body)
    event_message(event, replace(OPTIONS, body_limit=size))
    with pytest.raises(Rejected, match=f"the body has {size} bytes; {size - 1} are allowed") as caught:
        event_message(event, replace(OPTIONS, body_limit=size - 1))
    assert caught.value.code == "too_large"


def test_a_question_over_4_mib_is_refused() -> None:
    params = CountParams(filter=Filter(state_contains={"notes": "x" * 5_000_000}))
    with pytest.raises(BadRequest, match="the request passes 4 MiB"):
        request_message(Method.COUNT, params)
