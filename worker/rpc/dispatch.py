"""JSON-RPC 2.0: turns the bytes of a request into the bytes of its reply."""

from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

import orjson
import structlog
from pydantic import ValidationError

from contracts.faults import ErrorReason, RpcError, make_error, refuse_params
from contracts.limits import MAX_MESSAGE_BYTES
from contracts.requests import PARAMS, Params, Request, parse_params
from worker.rpc.answers import Result, RpcFailure
from worker.rpc.deadline import Deadline
from worker.traces.interface import NO_TRACING, Call, Traces

log = structlog.get_logger()

MAX_REPLY_BYTES: Final = MAX_MESSAGE_BYTES
MAX_CALLS: Final = 100  # of a batch
MAX_ID_CHARACTERS: Final = 255  # each has six bytes at most, as \u0000 has
ERROR_REPLY_BYTES: Final = 2048  # more than any error reply without details has, with an id of that length
ID_TOO_LONG: Final = f"id must have at most {MAX_ID_CHARACTERS} characters"
NOT_A_REQUEST: Final = "must be a JSON-RPC 2.0 request, or a list of 1 to 100"


Count = Callable[[str, str, float], None]
"""Counts a call by its method, its result (`ok` or the reason of its error) and its seconds."""


def no_count(method: str, result: str, seconds: float) -> None:
    """Count nothing."""


class Answering(Protocol):
    """Answers validated parameters."""

    async def answer(self, params: Params, deadline: Deadline) -> Result:
        """Return the result before the deadline; raises RpcFailure."""


class Dispatcher:
    """Answers every call of a request body; no exception leaves it."""

    def __init__(self, answers: Answering, count: Count = no_count, traces: Traces = NO_TRACING) -> None:
        self._answers = answers
        self._count = count
        self._traces = traces

    async def reply_to(self, body: bytes, deadline: Deadline) -> bytes | None:
        """Return the reply to a request or a batch, at most 4 MiB; None when only notifications were in it."""
        try:
            call = orjson.loads(body)
        except orjson.JSONDecodeError:
            self._count("", ErrorReason.PARSE_ERROR, 0.0)
            return error_reply(None, make_error(ErrorReason.PARSE_ERROR, "the request is not JSON"))
        if not isinstance(call, list):
            return await self._reply(call, deadline, MAX_REPLY_BYTES)
        if not 1 <= len(call) <= MAX_CALLS:
            self._count("", ErrorReason.INVALID_REQUEST, 0.0)
            return error_reply(None, make_error(ErrorReason.INVALID_REQUEST, NOT_A_REQUEST))
        return await self._reply_to_batch(call, deadline)

    async def _reply_to_batch(self, calls: list[object], deadline: Deadline) -> bytes | None:
        replies: list[bytes] = []
        room = MAX_REPLY_BYTES - 2 - len(calls) * ERROR_REPLY_BYTES
        for call in calls:
            reply = await self._reply(call, deadline, room + ERROR_REPLY_BYTES)
            if reply is not None:
                replies.append(reply)
                room += ERROR_REPLY_BYTES - len(reply) - 1
        return b"[" + b",".join(replies) + b"]" if replies else None

    async def _reply(self, call: object, deadline: Deadline, room: int) -> bytes | None:
        """Return the reply to one call in at most `room` bytes, of which there are always enough for an error."""
        try:
            request = Request.model_validate(call)
        except ValidationError:
            self._count("", ErrorReason.INVALID_REQUEST, 0.0)
            return error_reply(_id_of(call), make_error(ErrorReason.INVALID_REQUEST, NOT_A_REQUEST))
        if not _is_short(request.id):
            self._count(request.method, ErrorReason.INVALID_REQUEST, 0.0)
            return error_reply(None, make_error(ErrorReason.INVALID_REQUEST, ID_TOO_LONG))
        with self._traces.calling(request.method) as traced:
            reply = await self._outcome_of(request, deadline, traced)
        if request.is_notification:
            return None
        if len(reply) > room:
            return error_reply(
                request.id, make_error(ErrorReason.TOO_LARGE, "the answer passes 4 MiB: ask for less")
            )
        return reply

    async def _outcome_of(self, request: Request, deadline: Deadline, traced: Call) -> bytes:
        started, result = monotonic(), "ok"
        try:
            answer = await self._answer(request, deadline)
            return orjson.dumps({"jsonrpc": "2.0", "id": request.id, "result": answer})
        except RpcFailure as failure:
            result = failure.error.data.reason
            return error_reply(request.id, failure.error)
        except Exception:  # a defect in answering one call must not cost another call its answer
            result = ErrorReason.INTERNAL_ERROR
            log.exception("rpc.failed", method=request.method)
            return error_reply(request.id, make_error(result, "the worker failed; see its log"))
        finally:
            self._count(request.method, result, monotonic() - started)
            traced.end_as(result)

    async def _answer(self, request: Request, deadline: Deadline) -> Result:
        if request.method not in PARAMS:
            known = ", ".join(PARAMS)
            raise RpcFailure(make_error(ErrorReason.UNKNOWN_METHOD, f"unknown method; there are {known}"))
        try:
            params = parse_params(request.method, request.params)
        except ValidationError as error:
            raise RpcFailure(refuse_params(error)) from None
        return await self._answers.answer(params, deadline)


def error_reply(request_id: object, error: RpcError) -> bytes:
    """Return the bytes of an error reply; `request_id` is None where the id of the request is unknown."""
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "error": error.model_dump(mode="json")})


def _id_of(call: object) -> object:
    request_id = call.get("id") if isinstance(call, dict) else None
    return request_id if type(request_id) in (str, int, float) and _is_short(request_id) else None


def _is_short(request_id: object) -> bool:
    return not isinstance(request_id, str) or len(request_id) <= MAX_ID_CHARACTERS
