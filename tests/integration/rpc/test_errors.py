"""Requests that cannot be answered get the contract's error, and change nothing."""

import asyncio
from resource import RUSAGE_SELF, getrusage
from typing import Any, Final

import asyncpg
import orjson
import pytest

from tests.support.broker.caller import Caller, Failed, make_session, within
from tests.support.programs.rpc_worker import Installation
from worker.rpc import server

pytestmark = pytest.mark.asyncio(loop_scope="module")

GIGANTIC: Final = """
INSERT INTO sessions (session_id, player_id, encounter, state, started_at)
SELECT 'gigantic ' || n, 'gigantic', '{}', jsonb_build_object('text', repeat('x', 1000000)), now()
  FROM generate_series(1, 500) AS n
"""
READERS: Final = 8  # connections that read: of the ten, two write
QUERY: Final = "session.query"
INVALID: Final[dict[str, tuple[str, object, list[str]]]] = {
    "an unknown filter": (QUERY, {"filter": {"colour": "red"}}, ["filter.colour"]),
    "an unknown option": (QUERY, {"options": {"page": 2}}, ["options.page"]),
    "an unknown parameter": (QUERY, {"filters": {}}, ["filters"]),
    "a filter that is null": ("session.count", {"filter": {"playerId": None}}, ["filter.playerId"]),
    "limit 0": (QUERY, {"options": {"limit": 0}}, ["options.limit"]),
    "limit -1": (QUERY, {"options": {"limit": -1}}, ["options.limit"]),
    "limit 10^9": (QUERY, {"options": {"limit": 10**9}}, ["options.limit"]),
    "limit all": (QUERY, {"options": {"limit": "all"}}, ["options.limit"]),
    "offset 10^12": (QUERY, {"options": {"offset": 10**12}}, ["options.offset"]),
    "an offset and a cursor": (QUERY, {"options": {"offset": 1, "cursor": "AAAA"}}, ["options"]),
    "SQL to sort by": (QUERY, {"options": {"sortBy": "startedAt; DROP TABLE sessions"}}, ["options.sortBy"]),
    "SQL for an order": (QUERY, {"options": {"sortOrder": "desc NULLS FIRST"}}, ["options.sortOrder"]),
    "a cursor that is none": (QUERY, {"options": {"cursor": "AAAA"}}, ["options.cursor"]),
    "a naive bound": (QUERY, {"filter": {"startedAfter": "2025-11-07T10:30:00"}}, ["filter.startedAfter"]),
    "a NUL to look for": (QUERY, {"filter": {"stateContains": {"a": "\0"}}}, ["filter.stateContains"]),
    "no id": ("session.read", {}, ["sessionId"]),
    "an empty id": ("session.read", {"sessionId": ""}, ["sessionId"]),
    "revision 2^53": ("session.read", {"sessionId": "s", "minRevision": 2**53}, ["minRevision"]),
    "no ids": ("session.readMany", {"sessionIds": []}, ["sessionIds"]),
    "10,000 ids": ("session.readMany", {"sessionIds": ["s"] * 10_000}, ["sessionIds"]),
    "a NUL in an id of many": ("session.readMany", {"sessionIds": ["s", "\0"]}, ["sessionIds.1"]),
    "two wrong fields": (
        QUERY,
        {"filter": {"completed": 1}, "options": {"limit": 1.5}},
        ["filter.completed", "options.limit"],
    ),
    "parameters by position": ("session.stats", ["player"], [""]),
    "parameters of no use": ("health.check", {"verbose": True}, ["verbose"]),
}


@pytest.mark.parametrize("wrong", INVALID)
async def test_wrong_parameters_are_refused_field_by_field(caller: Caller, wrong: str) -> None:
    method, params, fields = INVALID[wrong]
    failure = await failure_of(caller, method, params)
    assert facts(failure) == (-32602, "invalid_params", False)
    assert [detail["field"] for detail in failure.details] == fields
    assert all(detail["message"] for detail in failure.details)


async def test_an_unknown_method_is_told_the_known_ones(caller: Caller) -> None:
    failure = await failure_of(caller, "session.drop")
    assert facts(failure) == (-32601, "unknown_method", False)
    assert "session.readMany" in str(failure)


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"", -32700, "parse_error"),
        (b"\x1f\x8b", -32700, "parse_error"),
        (b'{"jsonrpc":"2.0",}', -32700, "parse_error"),
        (b'{"method":"session.stats","id":1}', -32600, "invalid_request"),
        (b"[]", -32600, "invalid_request"),
    ],
)
async def test_what_is_no_request_is_told_so(caller: Caller, body: bytes, code: int, reason: str) -> None:
    error = orjson.loads(await caller.send(body))["error"]
    assert facts(Failed(error)) == (code, reason, False)


async def test_a_request_that_is_too_large_is_refused_unread(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_MESSAGE_BYTES", 1_000)  # a broker itself may refuse 4 MiB
    genuine = orjson.dumps({"jsonrpc": "2.0", "id": 7, "method": "session.stats"}).ljust(1_000)
    assert orjson.loads(await caller.send(genuine))["id"] == 7
    reply = orjson.loads(await caller.send(genuine + b" "))
    assert (reply["id"], facts(Failed(reply["error"]))) == (None, (-32600, "invalid_request", False))


async def test_a_batch_is_answered_in_one_reply_without_its_notifications(caller: Caller) -> None:
    await caller.write(make_session("of a batch"))
    calls: list[object] = [
        {"jsonrpc": "2.0", "id": "a", "method": "session.read", "params": {"sessionId": "of a batch"}},
        {"jsonrpc": "2.0", "method": "session.stats"},
        {"jsonrpc": "2.0", "id": None, "method": "session.nothing"},
        "nothing",
        {"jsonrpc": "2.0", "id": 1.5, "method": "session.count"},
    ]
    replies = orjson.loads(await caller.send(orjson.dumps(calls)))
    assert [reply["id"] for reply in replies] == ["a", None, None, 1.5]
    assert replies[0]["result"]["record"]["session"] == make_session("of a batch")
    assert [Failed(reply["error"]).reason for reply in replies[1:3]] == ["unknown_method", "invalid_request"]
    assert replies[3]["result"]["count"] >= 1


async def test_a_notification_is_not_answered(caller: Caller) -> None:
    notification = {"jsonrpc": "2.0", "method": "session.stats"}
    for body in (orjson.dumps(notification), orjson.dumps([notification, notification])):
        await caller.publish(body, reply_to="amq.rabbitmq.reply-to", correlation_id="a notification")
    await caller.call("health.check")
    assert caller.strays == []


async def test_an_answer_over_four_mebibytes_is_refused_and_a_smaller_one_given(caller: Caller) -> None:
    ids = [f"large {number}" for number in range(5)]
    for session_id in ids:
        confirmation = await caller.write(make_session(session_id, "large", state={"text": "x" * 1_000_000}))
        assert confirmation["outcome"] == "stored"
    for method, params in (
        ("session.readMany", {"sessionIds": ids}),
        (QUERY, {"filter": {"playerId": "large"}}),
        (QUERY, {"filter": {"playerId": "large"}, "options": {"limit": 1000}}),
    ):
        failure = await failure_of(caller, method, params)
        assert facts(failure) == (-32004, "too_large", False)
    page = await caller.query({"playerId": "large"}, limit=4)
    rest = await caller.query({"playerId": "large"}, cursor=page["nextCursor"])
    assert [len(page["records"]), len(rest["records"])] == [4, 1]


async def test_what_is_too_large_is_not_read_to_its_end(installation: Installation) -> None:
    writer = await asyncpg.connect(installation.database_url)
    await writer.execute(GIGANTIC)
    await writer.close()
    before = getrusage(RUSAGE_SELF).ru_maxrss
    for method, params in (
        (QUERY, {"filter": {"playerId": "gigantic"}, "options": {"limit": 1000}}),
        ("session.readMany", {"sessionIds": [f"gigantic {number}" for number in range(1000)]}),
    ):
        assert facts(await failure_of(installation.caller, method, params)) == (-32004, "too_large", False)
    grown = getrusage(RUSAGE_SELF).ru_maxrss - before
    assert grown < 300 * 1024  # KiB; all of it would be 500 MiB as text alone


async def test_a_lock_makes_the_first_readers_time_out_and_the_next_overload(
    installation: Installation,
) -> None:
    caller = installation.caller
    locker = await asyncpg.connect(installation.database_url)
    async with locker.transaction():
        await locker.execute("LOCK TABLE sessions")
        waiting = [
            asyncio.create_task(failure_of(caller, "session.count", {}, headers=within(1.5)))
            for _ in range(READERS)
        ]
        while await locker.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < READERS:
            await asyncio.sleep(0.01)
        overloaded = await failure_of(caller, "session.count", {}, headers=within(0.2))
        timed_out = await asyncio.gather(*waiting)
    await locker.close()
    assert facts(overloaded) == (-32005, "overloaded", True)
    assert {facts(failure) for failure in timed_out} == {(-32002, "timeout", True)}
    assert (await caller.call("session.count"))["count"] >= 0


async def failure_of(caller: Caller, method: str, params: object = None, **properties: Any) -> Failed:
    """Return the error that a request gets."""
    with pytest.raises(Failed) as raised:
        await caller.call(method, params, **properties)
    return raised.value


def facts(failure: Failed) -> tuple[int, str, bool]:
    return failure.code, failure.reason, failure.retryable
