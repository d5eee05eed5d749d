"""The questions, as JSON-RPC calls that are asked again while the worker says it cannot answer now."""

import asyncio
import random
from collections.abc import Sequence
from time import monotonic
from typing import Final, TypeVar

from pydantic import ValidationError

from contracts.client.errors import (
    BadRequest,
    Distrusted,
    SessionStoreError,
    TimedOut,
    TooLarge,
    Unavailable,
)
from contracts.client.messages import request_message
from contracts.client.wire import Wire
from contracts.faults import ErrorReason, RpcError, refuse_params
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
    MAX_IDS,
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

FIRST_WAIT: Final = 0.05
LONGEST_WAIT: Final = 0.5

Asked = TypeVar("Asked", bound=Params)


class Questions:
    """Every method takes a deadline (monotonic, in seconds).

    All raise BadRequest, TooLarge, Unavailable, TimedOut, Misconfigured and Closed.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def read(self, session_id: str, min_revision: int | None, deadline: float) -> Record | None:
        """Return a session, once the revision is applied."""
        params = _valid(ReadParams, session_id=session_id, min_revision=min_revision)
        return ReadResult.model_validate(await self._ask(Method.READ, params, deadline)).record

    async def read_many(self, session_ids: Sequence[str], deadline: float) -> list[Record | None]:
        """Return sessions in the order asked; in parts where they are too many or too large for one answer."""
        if not session_ids:
            return []
        half = min((len(session_ids) + 1) // 2, MAX_IDS)
        try:
            if len(session_ids) <= MAX_IDS:
                return await self._read_part(session_ids, deadline)
        except TooLarge:
            if len(session_ids) == 1:
                raise
        first = await self.read_many(session_ids[:half], deadline)
        return first + await self.read_many(session_ids[half:], deadline)

    async def query(self, wanted: Filter, options: QueryOptions, deadline: float) -> QueryResult:
        """Return one page."""
        params = _valid(QueryParams, filter=wanted, options=options)
        return QueryResult.model_validate(await self._ask(Method.QUERY, params, deadline))

    async def count(self, wanted: Filter, deadline: float) -> int:
        """Return a count."""
        params = _valid(CountParams, filter=wanted)
        return CountResult.model_validate(await self._ask(Method.COUNT, params, deadline)).count

    async def stats(self, player_id: str | None, deadline: float) -> StatsResult:
        """Return totals."""
        params = StatsParams() if player_id is None else _valid(StatsParams, player_id=player_id)
        return StatsResult.model_validate(await self._ask(Method.STATS, params, deadline))

    async def health(self, deadline: float) -> HealthResult:
        """Return the worker's health."""
        return HealthResult.model_validate(await self._ask(Method.HEALTH, HealthParams(), deadline))

    async def _read_part(self, session_ids: Sequence[str], deadline: float) -> list[Record | None]:
        params = _valid(ReadManyParams, session_ids=list(session_ids))
        return ReadManyResult.model_validate(await self._ask(Method.READ_MANY, params, deadline)).records

    async def _ask(self, method: Method, params: Params, deadline: float) -> object:
        """Return the result as it came."""
        wait = FIRST_WAIT
        while True:
            answer = await self._wire.ask(request_message(method, params), deadline)
            if "error" not in answer:
                return answer.get("result")
            error = RpcError.model_validate(answer["error"])
            if not error.data.retryable or monotonic() + wait >= deadline:
                raise _error_of(method, error)
            await asyncio.sleep(random.uniform(wait / 2, wait))  # noqa: S311 - jitter, not a secret
            wait = min(wait * 2, LONGEST_WAIT)


def _valid(kind: type[Asked], **given: object) -> Asked:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        refusal = refuse_params(error)
        raise BadRequest(refusal.message, refusal.data.details) from None


def _error_of(method: Method, error: RpcError) -> SessionStoreError:
    match error.data.reason:
        case ErrorReason.NOT_YET_VISIBLE | ErrorReason.TIMEOUT:
            return TimedOut(method.value, reason=error.message)
        case ErrorReason.STORAGE_UNAVAILABLE | ErrorReason.OVERLOADED | ErrorReason.INTERNAL_ERROR:
            return Unavailable(error.data.reason.value, error.message)
        case ErrorReason.BAD_SIGNATURE:
            return Distrusted(f"the worker does not trust this client: {error.message}")
        case ErrorReason.TOO_LARGE:
            return TooLarge(error.message)
        case _:
            return BadRequest(error.message, error.data.details)
