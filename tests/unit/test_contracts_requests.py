import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from pydantic import ValidationError

from contracts.limits import MAX_IDS, MAX_REVISION
from contracts.requests import (
    PARAMS,
    Filter,
    Method,
    QueryOptions,
    QueryParams,
    ReadManyParams,
    ReadParams,
    Request,
    StatsParams,
    parse_params,
)
from tests.support.events.strategies import values

TIME = "2025-11-07T10:30:00Z"
MOMENT = datetime(2025, 11, 7, 10, 30, tzinfo=UTC)


def nest(depth: int) -> object:
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def filter_of(given_filter: object) -> Filter:
    params = parse_params("session.query", {"filter": given_filter})
    assert isinstance(params, QueryParams)
    return params.filter


def options_of(given_options: object) -> QueryOptions:
    params = parse_params("session.query", {"options": given_options})
    assert isinstance(params, QueryParams)
    return params.options


@pytest.mark.parametrize("request_id", [1, 1.5, "a", "", None, 12345678901234567890])
def test_a_request_keeps_its_id(request_id: object) -> None:
    request = Request.model_validate({"jsonrpc": "2.0", "method": "health.check", "id": request_id})
    assert request.id == request_id
    assert not request.is_notification


def test_a_request_without_an_id_is_a_notification() -> None:
    request = Request.model_validate({"jsonrpc": "2.0", "method": "health.check"})
    assert request.is_notification
    assert request.params == {}


@pytest.mark.parametrize(
    "change",
    [
        {"jsonrpc": "1.0"},
        {"jsonrpc": 2.0},
        {"method": None},
        {"method": 5},
        {"id": True},
        {"id": []},
        {"id": {}},
        {"params": None},
        {"params": "a"},
        {"params": 5},
    ],
)
def test_an_envelope_that_is_no_json_rpc_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Request.model_validate({"jsonrpc": "2.0", "method": "health.check", "id": 1, **change})


def test_every_method_has_parameters() -> None:
    assert list(PARAMS) == list(Method)


@pytest.mark.parametrize("method", PARAMS)
@pytest.mark.parametrize("params", [[], ["sess_1"], {"what": 1}, {"sessionId": "a", "__proto__": 1}])
def test_positional_and_unknown_parameters_are_refused(method: str, params: object) -> None:
    with pytest.raises(ValidationError):
        parse_params(method, params)


@pytest.mark.parametrize("method", ["session.query", "session.count", "session.stats", "health.check"])
def test_these_methods_need_no_parameters(method: str) -> None:
    assert isinstance(parse_params(method, {}), PARAMS[method])


@pytest.mark.parametrize("revision", [1, MAX_REVISION])
def test_a_read_may_name_the_revision_to_wait_for(revision: int) -> None:
    params = parse_params("session.read", {"sessionId": "sess_1", "minRevision": revision})
    assert params == ReadParams(session_id="sess_1", min_revision=revision)


@pytest.mark.parametrize("revision", [0, -1, 2**53, 1.0, "1", True])
def test_a_revision_to_wait_for_is_a_revision(revision: object) -> None:
    with pytest.raises(ValidationError, match="2\\^53-1"):
        parse_params("session.read", {"sessionId": "sess_1", "minRevision": revision})


@pytest.mark.parametrize("session_id", ["", "x" * 256, "a\0", 5, None])
def test_a_read_names_a_session(session_id: object) -> None:
    with pytest.raises(ValidationError):
        parse_params("session.read", {"sessionId": session_id})


def test_up_to_1000_sessions_are_read_at_once_in_the_order_asked() -> None:
    ids = [f"sess_{number}" for number in reversed(range(MAX_IDS - 1))] + ["sess_0"]
    params = parse_params("session.readMany", {"sessionIds": ids})
    assert isinstance(params, ReadManyParams)
    assert params.session_ids == ids


@pytest.mark.parametrize("ids", [[], ["a"] * 1_001, ["a"] * 10_000, ["a", 5], ["a", ""], "a", None, {"a": 1}])
def test_no_and_too_many_and_wrong_ids_are_refused(ids: object) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_params("session.readMany", {"sessionIds": ids})
    assert caught.value.error_count() == 1


def test_every_filter_can_be_given() -> None:
    found = filter_of(
        {
            "playerId": "player_1",
            "completed": False,
            "difficulty": "nightmare",
            **{
                f"{what}{side}": TIME
                for what in ("started", "completed", "updated")
                for side in ("After", "Before")
            },
            "encounterContains": {"npcs": [{"id": "npc_1"}]},
            "stateContains": 5,
        }
    )
    assert (found.player_id, found.completed, found.difficulty) == ("player_1", False, "nightmare")
    assert found.started_after == found.completed_before == found.updated_before == MOMENT
    assert found.encounter_contains == {"npcs": [{"id": "npc_1"}]}
    assert found.state_contains == 5
    assert len(found.model_fields_set) == len(Filter.model_fields)


@pytest.mark.parametrize(
    "wrong",
    [
        {"player_id": "player_1"},
        {"playerID": "player_1"},
        {"playerId": None},
        {"playerId": ""},
        {"completed": None},
        {"completed": "true"},
        {"completed": 1},
        {"difficulty": ""},
        {"difficulty": "x" * 256},
        {"difficulty": "a\0"},
        {"difficulty": None},
        {"startedAfter": "2025-11-07"},
        {"startedAfter": 1_762_511_400},
        {"startedAfter": None},
        {"updatedBefore": "now"},
        {"encounterContains": {"a": ["\0"]}},
        {"stateContains": {"\0": 1}},
        {"stateContains": "\0"},
        {"stateContains": nest(65)},
        None,
        [],
    ],
)
def test_a_filter_that_is_wrong_unknown_or_null_is_refused(wrong: object) -> None:
    for method in ("session.query", "session.count"):
        with pytest.raises(ValidationError):
            parse_params(method, {"filter": wrong})


@given(values.filter(lambda value: "\\u0000" not in json.dumps(value)))
def test_a_containment_filter_takes_any_json_value(value: object) -> None:
    assert filter_of({"encounterContains": value}).encounter_contains == value


def test_a_null_containment_filter_is_told_from_an_absent_one() -> None:
    assert "state_contains" in filter_of({"stateContains": None}).model_fields_set
    assert "state_contains" not in filter_of({}).model_fields_set


def test_contained_values_may_be_64_levels_deep() -> None:
    assert filter_of({"stateContains": nest(64)}).state_contains == nest(64)


def test_without_options_the_first_100_of_the_newest_come() -> None:
    assert options_of({}) == QueryOptions(
        sort_by="createdAt", sort_order="desc", limit=100, offset=None, cursor=None
    )


@pytest.mark.parametrize(
    "right",
    [
        {"limit": 1},
        {"limit": 1_000},
        {"offset": 0},
        {"offset": 10_000},
        {"cursor": "x"},
        {"cursor": None, "offset": 5},
        {"cursor": "x", "offset": None},
        *({"sortBy": key} for key in ("createdAt", "startedAt", "updatedAt", "completedAt")),
        *({"sortOrder": order} for order in ("asc", "desc")),
    ],
)
def test_options_within_bounds_are_taken(right: dict[str, object]) -> None:
    assert options_of(right).model_dump(exclude_unset=True) == right


@pytest.mark.parametrize(
    "wrong",
    [
        *({"limit": limit} for limit in (0, -1, 1_001, 10**9, "all", "10", 10.0, True, None)),
        *({"offset": offset} for offset in (-1, 10_001, 10**12, "0", 0.0, False)),
        *({"sortBy": key} for key in ("created_at", "playerId", "createdAt; drop table sessions", "", None)),
        *({"sortOrder": order} for order in ("ASC", "up", "", None)),
        *({"cursor": cursor} for cursor in ("", 5, "x" * 4_097)),
        {"cursor": "x", "offset": 0},
        {"page": 2},
        None,
        [],
    ],
)
def test_options_out_of_bounds_unknown_or_contradicting_are_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        parse_params("session.query", {"options": wrong})


def test_statistics_are_of_one_player_or_of_all() -> None:
    assert parse_params("session.stats", {"playerId": "player_1"}) == StatsParams(player_id="player_1")
    assert parse_params("session.stats", {}) == StatsParams()
    with pytest.raises(ValidationError):
        parse_params("session.stats", {"playerId": None})


def test_python_code_builds_parameters_by_field_name_and_sends_wire_names() -> None:
    params = QueryParams(filter=Filter(player_id="player_1", started_after=MOMENT))
    sent = params.model_dump(mode="json", exclude_unset=True)
    assert sent == {"filter": {"playerId": "player_1", "startedAfter": "2025-11-07T10:30:00.000Z"}}
    assert parse_params("session.query", sent) == params
