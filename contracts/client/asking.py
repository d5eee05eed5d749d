"""The questions, as JSON-RPC calls that are asked again while the worker says it cannot answer now."""

import asyncio
import random
from time import monotonic
from uuid import uuid4

import orjson
from pydantic import BaseModel

from contracts.client.errors import BadRequest, SessionStoreError, TimedOut, TooLarge, Unavailable
from contracts.client.wire import Message, Wire
from contracts.faults import ErrorReason, RpcError
from contracts.replies import (
    CountResult,
    HealthResult,
    QueryResult,
    ReadManyResult,
    ReadResult,
    Record,
    StatsResult,
)
from contracts.requests import (
    CountParams,
    Filter,
    HealthParams,
    Method,
    Params,
    QueryOptions,
    QueryParams,
    ReadManyParams,
    ReadParams,
    StatsParams,
)
from contracts.topology import RPC_KEY

LONGEST_WAIT = 0.5


class Questions:
    """Every method takes a deadline (monotonic, in seconds).

    All raise BadRequest, TooLarge, Unavailable, TimedOut, Misconfigured and Closed.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def read(self, session_id: str, min_revision: int | None, deadline: float) -> Record | None:
        """Return a session, once the revision is applied."""
        params = ReadParams(session_id=session_id, min_revision=min_revision)
        return ReadResult.model_validate_json(await self._ask(Method.READ, params, deadline)).record

    async def read_many(self, session_ids: list[str], deadline: float) -> list[Record | None]:
        """Return sessions in the order asked."""
        params = ReadManyParams(session_ids=session_ids)
        return ReadManyResult.model_validate_json(await self._ask(Method.READ_MANY, params, deadline)).records

    async def query(self, wanted: Filter, options: QueryOptions, deadline: float) -> QueryResult:
        """Return one page."""
        params = QueryParams(filter=wanted, options=options)
        return QueryResult.model_validate_json(await self._ask(Method.QUERY, params, deadline))

    async def count(self, wanted: Filter, deadline: float) -> int:
        """Return a count."""
        answer = await self._ask(Method.COUNT, CountParams(filter=wanted), deadline)
        return CountResult.model_validate_json(answer).count

    async def stats(self, player_id: str | None, deadline: float) -> StatsResult:
        """Return totals."""
        params = StatsParams(player_id=player_id) if player_id else StatsParams()
        return StatsResult.model_validate_json(await self._ask(Method.STATS, params, deadline))

    async def health(self, deadline: float) -> HealthResult:
        """Return the worker's health."""
        return HealthResult.model_validate_json(await self._ask(Method.HEALTH, HealthParams(), deadline))

    async def _ask(self, method: Method, params: Params, deadline: float) -> bytes:
        """Return the result as JSON."""
        wait = 0.05
        while True:
            answer = await self._wire.ask(_request(method, params), deadline)
            if "error" not in answer:
                return orjson.dumps(answer["result"])
            error = RpcError.model_validate(answer["error"])
            if not error.data.retryable or monotonic() + wait >= deadline:
                raise _error_of(method, error)
            await asyncio.sleep(random.uniform(wait / 2, wait))  # noqa: S311 - jitter, not a secret
            wait = min(wait * 2, LONGEST_WAIT)


def _request(method: Method, params: Params) -> Message:
    given: BaseModel = params
    document = {
        "jsonrpc": "2.0",
        "id": uuid4().hex,
        "method": method.value,
        "params": given.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=False),
    }
    return Message(orjson.dumps(document), RPC_KEY, "application/json", False, method.value)


def _error_of(method: Method, error: RpcError) -> SessionStoreError:
    match error.data.reason:
        case ErrorReason.NOT_YET_VISIBLE | ErrorReason.TIMEOUT:
            return TimedOut(method.value)
        case ErrorReason.STORAGE_UNAVAILABLE | ErrorReason.OVERLOADED | ErrorReason.INTERNAL_ERROR:
            return Unavailable(error.data.reason.value, error.message)
        case ErrorReason.TOO_LARGE:
            return TooLarge(error.message)
        case _:
            return BadRequest(error.message, error.data.details)
