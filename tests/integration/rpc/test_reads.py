"""Every kind of read returns a session equal to the one that was written."""

import json
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

import orjson
import pytest

from contracts.replies import RESULTS
from contracts.requests import Method
from contracts.topology import RPC_KEY, WRITE_KEY
from tests.support.broker.caller import Caller, make_event, make_session

pytestmark = pytest.mark.asyncio(loop_scope="module")

FULL: Final = {
    "encounter": {"difficulty": "hard", "npcs": [{"id": "npc_1", "mood": None}], "title": "Ōtsuka's salt 🧂"},
    "state": {"done": [True, False, None], "text": 'said "no"\\\n\t', "": {"": {}}},
    "startedAt": "2025-11-07T10:30:00.123456Z",
    "completedAt": "2025-11-07T11:30:00.000Z",
}
NUMBERS: Final = (
    b'{"sessionId":"numbers","playerId":"p","startedAt":"2025-11-07T10:30:00.000Z","encounter":{"n":'
    b"[0,-0,1.0,1e2,0.1,1.5e300,5e-324,-9223372036854775808,18446744073709551615,9007199254740993,1.7976931348623157e308]"
    b'},"state":{"n":1e-7,"m":123456789.12345e-3},"extra":[1.5e300,5e-324,18446744073709551615,0.1,1.0]}'
)


@pytest.mark.parametrize(
    "fields",
    [
        FULL,
        {**FULL, "completedAt": None},
        {},
        {"completedAt": None},
        {"plugin": {"tags": ["a", "ä", "🧂"], "deep": [[[{}]]]}, "another": None, "": 0},
        {"completed_at": "a plugin's own", "session_id": 17, "revision": "x", "createdAt": [], "extra": {}},
        {"startedAt": "0001-01-01T00:00:00.000Z", "completedAt": "9999-12-31T23:59:59.999999Z"},
        {"playerId": "Zoë O'Hara; DROP TABLE sessions --", "state": {"$1": "%s", "\\": "'"}},
    ],
)
async def test_what_comes_back_equals_what_went_in(caller: Caller, fields: dict[str, object]) -> None:
    session = make_session(f"equal {uuid4()} 🧂", **fields)
    confirmation = await caller.write(session, 5)
    assert confirmation["outcome"] == "stored"
    record = (await caller.call("session.read", {"sessionId": session["sessionId"]}))["record"]
    assert record["session"] == session
    assert record["revision"] == 5
    many = await caller.call("session.readMany", {"sessionIds": [session["sessionId"]]})
    page = await caller.query({"playerId": session["playerId"]}, limit=1000)
    assert many["records"] == [record]
    assert record in page["records"]


async def test_numbers_come_back_equal_to_the_last_digit(caller: Caller) -> None:
    reply = orjson.loads(
        await caller.send(
            make_event(WRITE_KEY, "numbers", b'{"revision":1,"session":' + NUMBERS + b"}"), WRITE_KEY
        )
    )
    assert reply["outcome"] == "stored"
    question = b'{"jsonrpc":"2.0","id":1,"method":"session.read","params":{"sessionId":"numbers"}}'
    answer = exactly(await caller.send(question, RPC_KEY))
    assert answer["result"]["record"]["session"] == exactly(NUMBERS)


async def test_times_with_an_offset_come_back_in_utc(caller: Caller) -> None:
    await caller.write(make_session("offset", startedAt="2025-11-07T12:30:00.5+02:00"))
    record = (await caller.call("session.read", {"sessionId": "offset"}))["record"]
    assert record["session"]["startedAt"] == "2025-11-07T10:30:00.500Z"


async def test_many_come_back_in_the_order_asked_with_repeats_and_gaps(caller: Caller) -> None:
    ids = [f"many {number}" for number in range(4)]
    for session_id in ids[:3]:
        await caller.write(make_session(session_id))
    asked = [ids[2], ids[0], ids[3], ids[2], ids[1], ids[3]]
    records = (await caller.call("session.readMany", {"sessionIds": asked}))["records"]
    found = [record and record["session"]["sessionId"] for record in records]
    assert found == [ids[2], ids[0], None, ids[2], ids[1], None]


async def test_a_thousand_ids_are_answered(caller: Caller) -> None:
    records = (await caller.call("session.readMany", {"sessionIds": ["nobody's"] * 1000}))["records"]
    assert records == [None] * 1000


async def test_a_record_says_when_its_row_was_made_and_last_changed(caller: Caller) -> None:
    await caller.write(make_session("twice"), 1)
    first = (await caller.call("session.read", {"sessionId": "twice"}))["record"]
    await caller.write(make_session("twice", state={"n": 2}), 2)
    second = (await caller.call("session.read", {"sessionId": "twice"}))["record"]
    assert first["createdAt"] == second["createdAt"]
    assert first["updatedAt"] < second["updatedAt"]
    assert second["revision"] == 2


async def test_a_deleted_session_is_not_there(caller: Caller) -> None:
    await caller.write(make_session("deleted"), 1)
    assert (await caller.delete("deleted", 2))["outcome"] == "deleted"
    assert (await caller.call("session.read", {"sessionId": "deleted", "minRevision": 2}))["record"] is None


async def test_statistics_are_of_one_player_or_of_all(caller: Caller) -> None:
    none = await caller.call("session.stats", {"playerId": "stats nobody"})
    assert none == {
        "totalSessions": 0,
        "completedSessions": 0,
        "activeSessions": 0,
        "avgCompletionTimeSeconds": None,
    }
    before = await caller.call("session.stats")
    await caller.write(make_session("stats 1", "stats"))
    active = await caller.call("session.stats", {"playerId": "stats"})
    assert active == {**none, "totalSessions": 1, "activeSessions": 1}
    await caller.write(make_session("stats 2", "stats", completedAt="2025-11-07T10:30:01.500Z"))
    await caller.write(make_session("stats 3", "stats", completedAt="2025-11-07T10:30:02.000Z"))
    both = await caller.call("session.stats", {"playerId": "stats"})
    assert both == {
        "totalSessions": 3,
        "completedSessions": 2,
        "activeSessions": 1,
        "avgCompletionTimeSeconds": 1.75,
    }
    after = await caller.call("session.stats")
    assert after["totalSessions"] - before["totalSessions"] == 3


async def test_a_healthy_worker_says_so(caller: Caller) -> None:
    health = await caller.call("health.check")
    assert health["ok"] is True
    assert health["database"] == "ok"
    assert 0 <= health["lagSeconds"] < 5


@pytest.mark.parametrize(
    ("method", "params"),
    [
        (Method.READ, {"sessionId": "shape"}),
        (Method.READ_MANY, {"sessionIds": ["shape", "none"]}),
        (Method.QUERY, {}),
        (Method.COUNT, {}),
        (Method.STATS, {}),
        (Method.HEALTH, {}),
    ],
)
async def test_every_result_is_as_the_contract_has_it(caller: Caller, method: Method, params: object) -> None:
    await caller.write(make_session("shape", **FULL))
    result = await caller.call(method, params)
    model = RESULTS[method].model_validate_json(orjson.dumps(result))
    assert set(result) == {field.alias or name for name, field in type(model).model_fields.items()}


async def test_an_event_with_a_number_that_would_change_is_refused_and_changes_nothing(
    caller: Caller,
) -> None:
    await caller.write(make_session("kept", state={"n": 1}), 1)
    session = orjson.dumps(make_session("kept")).replace(b'"state":{}', b'"state":{"n":18446744073709551617}')
    reply = await caller.send(
        make_event(WRITE_KEY, "kept", b'{"revision":2,"session":' + session + b"}"), WRITE_KEY
    )
    assert orjson.loads(reply)["code"] == "bad_number"
    assert (await caller.call("session.read", {"sessionId": "kept"}))["record"]["session"]["state"] == {
        "n": 1
    }


async def test_a_session_that_never_was_is_null(caller: Caller) -> None:
    assert (await caller.call("session.read", {"sessionId": "never"})) == {"record": None}


def exactly(text: bytes) -> Any:
    """Parse JSON with exact numbers."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)
