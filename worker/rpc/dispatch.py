"""JSON-RPC 2.0: from the bytes of a request to the bytes of its reply."""

from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

import orjson
import structlog
from pydantic import ValidationError

from contracts.faults import ErrorReason, RpcError, make_error, refuse_params
from contracts.requests import PARAMS, Params, Request, parse_params
from worker.rpc.answers import Result, RpcFailure
from worker.rpc.deadline import Deadline
from worker.store.chunked_fetch import LARGEST_ANSWER
from worker.traces.interface import NO_TRACING, Call, Traces

log = structlog.get_logger()

LARGEST_REPLY: Final = LARGEST_ANSWER
LONGEST_BATCH: Final = 100
LONGEST_ID: Final = 255  # characters; each has six bytes at most, as \u0000 has
SMALL_REPLY: Final = 2048  # more than any error without details and with such an id
LONG_ID: Final = f"id must have at most {LONGEST_ID} characters"
NOT_A_REQUEST: Final = "must be a JSON-RPC 2.0 request, or a list of 1 to 100"


Count = Callable[[str, str, float], None]
"""Takes the method of a call, what became of it (`ok` or the reason of its error) and its seconds."""


def no_count(method: str, result: str, seconds: float) -> None:
    """Count nothing."""


class Answering(Protocol):
    """Whoever answers validated parameters."""

    async def answer(self, params: Params, deadline: Deadline) -> Result:
        """Return the result within the patience; raises RpcFailure."""


class Dispatcher:
    """Answers every call of a request body; no exception leaves it."""

    def __init__(self, answers: Answering, count: Count = no_count, traces: Traces = NO_TRACING) -> None:
        self._answers = answers
        self._count = count
        self._traces = traces

    async def reply_to(self, body: bytes, deadline: Deadline) -> bytes | None:
        """Return the reply to a request or a batch, at most 4 MiB; None when nobody waits for one."""
        try:
            call = orjson.loads(body)
        except orjson.JSONDecodeError:
            self._count("", ErrorReason.PARSE_ERROR, 0.0)
            return _failure(None, make_error(ErrorReason.PARSE_ERROR, "the request is not JSON"))
        if not isinstance(call, list):
            return await self._reply(call, deadline, LARGEST_REPLY)
        if not 1 <= len(call) <= LONGEST_BATCH:
            self._count("", ErrorReason.INVALID_REQUEST, 0.0)
            return _failure(None, make_error(ErrorReason.INVALID_REQUEST, NOT_A_REQUEST))
        return await self._reply_to_batch(call, deadline)

    async def _reply_to_batch(self, calls: list[object], deadline: Deadline) -> bytes | None:
        replies: list[bytes] = []
        room = LARGEST_REPLY - 2 - len(calls) * SMALL_REPLY
        for call in calls:
            reply = await self._reply(call, deadline, room + SMALL_REPLY)
            if reply is not None:
                replies.append(reply)
                room += SMALL_REPLY - len(reply) - 1
        return b"[" + b",".join(replies) + b"]" if replies else None

    async def _reply(self, call: object, deadline: Deadline, room: int) -> bytes | None:
        """Return the reply to one call in at most `room` bytes, which are never fewer than a small error needs."""
        try:
            request = Request.model_validate(call)
        except ValidationError:
            self._count("", ErrorReason.INVALID_REQUEST, 0.0)
            return _failure(_id_of(call), make_error(ErrorReason.INVALID_REQUEST, NOT_A_REQUEST))
        if not _is_short(request.id):
            self._count(request.method, ErrorReason.INVALID_REQUEST, 0.0)
            return _failure(None, make_error(ErrorReason.INVALID_REQUEST, LONG_ID))
        with self._traces.calling(request.method) as traced:
            reply = await self._outcome_of(request, deadline, traced)
        if request.is_notification:
            return None
        if len(reply) > room:
            return _failure(
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
            return _failure(request.id, failure.error)
        except Exception:  # whatever is wrong with one request must not cost another its answer
            result = ErrorReason.INTERNAL_ERROR
            log.exception("rpc.failed", method=request.method)
            return _failure(request.id, make_error(result, "the worker failed; see its log"))
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


def _failure(request_id: object, error: RpcError) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "error": error.model_dump(mode="json")})


def _id_of(call: object) -> object:
    request_id = call.get("id") if isinstance(call, dict) else None
    return request_id if type(request_id) in (str, int, float) and _is_short(request_id) else None


def _is_short(request_id: object) -> bool:
    return not isinstance(request_id, str) or len(request_id) <= LONGEST_ID
