"""The dispatcher answers any bytes with a JSON-RPC 2.0 reply or with none, and raises nothing."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.faults import ErrorReason, make_error
from contracts.replies import Failure
from contracts.requests import PARAMS, Params, ReadManyParams, ReadParams
from tests.support.events.strategies import identifiers, objects, texts, values
from worker.rpc.answers import Result, RpcFailure
from worker.rpc.deadline import Deadline
from worker.rpc.dispatch import MAX_REPLY_BYTES, Dispatcher

ids = st.none() | texts | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
calls = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | values, "method": st.sampled_from([*PARAMS, "rpc.discover"]) | values},
    optional={
        "id": ids | values,
        "params": objects | values | st.builds(lambda id: {"sessionId": id}, identifiers),
    },
)
bodies = st.binary() | (values | calls | st.lists(calls | values, max_size=6)).map(orjson.dumps)


class StubAnswers:
    """A stub that gives every method the same answer, and keeps the parameters."""

    def __init__(self, answer: Callable[[Params], Result] = lambda _: {"found": True}) -> None:
        self._answer = answer
        self.asked: list[Params] = []

    async def answer(self, params: Params, patience: Deadline) -> Result:
        assert patience.left() > 0
        self.asked.append(params)
        return self._answer(params)


def reply_to(body: bytes, answers: StubAnswers | None = None) -> Any:
    reply = asyncio.run(Dispatcher(answers or StubAnswers()).reply_to(body, Deadline.of(60)))
    assert reply is None or len(reply) <= MAX_REPLY_BYTES
    return None if reply is None else orjson.loads(reply)


def call(request_id: object = 1, method: str = "session.stats", **fields: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, **fields}


def error_of(reply: dict[str, Any]) -> tuple[int, str, bool]:
    failure = Failure.model_validate_json(orjson.dumps(reply))
    assert failure.error.code == failure.error.data.reason.code
    return failure.error.code, failure.error.data.reason.value, failure.error.data.retryable


def assert_is_reply(reply: dict[str, Any]) -> None:
    assert reply["jsonrpc"] == "2.0"
    if "error" in reply:
        assert set(reply) == {"jsonrpc", "id", "error"}
        error_of(reply)
    else:
        assert reply == {"jsonrpc": "2.0", "id": reply["id"], "result": {"found": True}}


@given(bodies)
def test_whatever_comes_is_answered_by_valid_replies_or_not_at_all(body: bytes) -> None:
    match reply_to(body):
        case list() as replies:
            assert replies
            for reply in replies:
                assert_is_reply(reply)
        case dict() as reply:
            assert_is_reply(reply)
        case other:
            assert other is None


@given(ids, st.sampled_from(["session.stats", "health.check", "rpc.discover"]))
def test_the_id_comes_back_as_it_went(request_id: object, method: str) -> None:
    reply = reply_to(orjson.dumps(call(request_id, method)))
    assert reply["id"] == request_id
    assert type(reply["id"]) is type(request_id)


@given(st.lists(st.booleans(), min_size=1, max_size=10))
def test_a_batch_is_answered_in_its_order_without_its_notifications(wanted: list[bool]) -> None:
    answers = StubAnswers()
    notification = {"jsonrpc": "2.0", "method": "session.stats"}
    batch = [call(number) if asked else notification for number, asked in enumerate(wanted)]
    replies = reply_to(orjson.dumps(batch), answers)
    assert len(answers.asked) == len(batch)
    if any(wanted):
        assert [reply["id"] for reply in replies] == [number for number, asked in enumerate(wanted) if asked]
    else:
        assert replies is None


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"", -32700, "parse_error"),
        (b"{", -32700, "parse_error"),
        (b"\xff", -32700, "parse_error"),
        (b'{"jsonrpc":"2.0","id":NaN}', -32700, "parse_error"),
        (b"[", -32700, "parse_error"),
        (b"[" * 5000, -32700, "parse_error"),
        (b"[]", -32600, "invalid_request"),
        (b"17", -32600, "invalid_request"),
        (b"null", -32600, "invalid_request"),
        (orjson.dumps([call()] * 101), -32600, "invalid_request"),
        (orjson.dumps({**call(), "id": True}), -32600, "invalid_request"),
        (orjson.dumps({**call(), "id": {}}), -32600, "invalid_request"),
        (orjson.dumps(call("x" * 256)), -32600, "invalid_request"),
        (orjson.dumps({"id": []}), -32600, "invalid_request"),
    ],
)
def test_what_is_no_request_is_told_so_without_an_id(body: bytes, code: int, reason: str) -> None:
    reply = reply_to(body)
    assert error_of(reply) == (code, reason, False)
    assert reply["id"] is None


@pytest.mark.parametrize(
    "fields", [{"jsonrpc": "1.0"}, {"jsonrpc": None}, {"method": 1}, {"params": None}, {"params": "x"}]
)
def test_a_request_with_a_readable_id_is_refused_under_it(fields: dict[str, object]) -> None:
    reply = reply_to(orjson.dumps({**call("mine"), **fields}))
    assert error_of(reply) == (-32600, "invalid_request", False)
    assert reply["id"] == "mine"


def test_each_bad_call_of_a_batch_has_its_own_error() -> None:
    read = call(3, "session.read", params={"sessionId": ""})
    replies = reply_to(orjson.dumps([1, call(2, "session.nothing"), read, call(4), []]))
    assert [reply["id"] for reply in replies] == [None, 2, 3, 4, None]
    reasons = [error_of(reply)[1] if "error" in reply else "" for reply in replies]
    assert reasons == ["invalid_request", "unknown_method", "invalid_params", "", "invalid_request"]


def test_a_notification_is_carried_out_and_never_answered() -> None:
    answers = StubAnswers()
    for notification in (call(), call(method="session.nothing"), call(params={"playerId": ""})):
        del notification["id"]
        assert reply_to(orjson.dumps(notification), answers) is None
    assert len(answers.asked) == 1


def test_wrong_parameters_are_listed_field_by_field() -> None:
    options = {"limit": 0, "sortBy": "startedAt; DROP TABLE sessions", "colour": 1}
    params = {"filter": {"playerID": "p", "startedAfter": "soon"}, "options": options}
    reply = reply_to(orjson.dumps(call(method="session.query", params=params)))
    assert error_of(reply) == (-32602, "invalid_params", False)
    fields = [detail["field"] for detail in reply["error"]["data"]["details"]]
    assert fields == [
        "filter.startedAfter",
        "filter.playerID",
        "options.sortBy",
        "options.limit",
        "options.colour",
    ]


def test_positional_parameters_are_no_methods() -> None:
    assert error_of(reply_to(orjson.dumps(call(params=["player"]))))[1] == "invalid_params"


def test_a_failure_of_the_answer_is_told_with_its_reason() -> None:
    def fail(_: Params) -> Result:
        raise RpcFailure(make_error(ErrorReason.OVERLOADED, "too much"))

    assert error_of(reply_to(orjson.dumps(call()), StubAnswers(fail))) == (-32005, "overloaded", True)


def test_a_defect_is_told_without_what_it_says() -> None:
    def fail(_: Params) -> Result:
        raise RuntimeError("SELECT secret FROM postgresql://user:password@host")

    reply = reply_to(orjson.dumps([call(1), call(2)]), StubAnswers(fail))
    assert [error_of(each) for each in reply] == [(-32603, "internal_error", False)] * 2
    assert b"SELECT" not in orjson.dumps(reply)
    assert b"password" not in orjson.dumps(reply)


LARGE: Final = MAX_REPLY_BYTES - len('{"jsonrpc":"2.0","id":1,"result":{"found":""}}')


@pytest.mark.parametrize(("size", "fits"), [(LARGE, True), (LARGE + 1, False)])
def test_an_answer_may_have_four_mebibytes_and_no_more(size: int, fits: bool) -> None:
    reply = reply_to(orjson.dumps(call()), StubAnswers(lambda _: {"found": "x" * size}))
    assert ("result" in reply) is fits
    if not fits:
        assert error_of(reply) == (-32004, "too_large", False)


def test_a_batch_gives_what_fits_and_says_which_does_not() -> None:
    def answer(params: Params) -> Result:
        return {"found": "x" * (3 * 2**20 if isinstance(params, ReadParams) else 10)}

    large = {"method": "session.read", "params": {"sessionId": "s"}}
    batch = [call(0), {**call(1), **large}, {**call(2), **large}, call(3)]
    reply = reply_to(orjson.dumps(batch), StubAnswers(answer))
    assert ["result" in each for each in reply] == [True, True, False, True]
    assert error_of(reply[2])[1] == "too_large"


def test_a_batch_of_large_answers_stays_within_four_mebibytes() -> None:
    batch = [call("\x01" * 255, "session.read", params={"sessionId": "s"})] * 100
    replies = reply_to(orjson.dumps(batch), StubAnswers(lambda _: {"found": "x" * 70_000}))
    assert len(replies) == 100
    assert sum("result" in each for each in replies) > 50


def test_parameters_arrive_as_the_contract_names_them() -> None:
    answers = StubAnswers()
    body = orjson.dumps(call(method="session.readMany", params={"sessionIds": ["b", "a", "b"]}))
    assert "result" in reply_to(body, answers)
    assert answers.asked == [ReadManyParams(session_ids=["b", "a", "b"])]
    wrong = orjson.dumps(call(method="session.readMany", params={"session_ids": ["b"]}))
    assert error_of(reply_to(wrong, answers))[1] == "invalid_params"
