"""JSON-RPC calls, repeated while the worker replies that it cannot serve now."""

import asyncio
import random
from collections.abc import Sequence
from time import monotonic
from typing import Final, TypeVar
from uuid import uuid4

from pydantic import ValidationError

from ..faults import ErrorReason, RpcError, refuse_params
from ..limits import MAX_IDS, MAX_MESSAGE_BYTES, MAX_RPC_RETRY_DELAY_MS, RPC_RETRY_DELAY_MS
from ..replies import (
    CountResult,
    HealthResult,
    QueryResult,
    ReadManyResult,
    ReadResult,
    Record,
    StatsResult,
)
from ..requests import (
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
from ..topology import RPC_CONTENT_TYPE, RPC_KEY
from .encoding import encode
from .errors import (
    BadRequest,
    Rejected,
    SessionStoreError,
    SignatureRefused,
    TimedOut,
    TooLarge,
    Unavailable,
)
from .events import OutgoingMessage
from .transport import Transport

FIRST_DELAY: Final = RPC_RETRY_DELAY_MS / 1000
MAX_DELAY: Final = MAX_RPC_RETRY_DELAY_MS / 1000
CHEAP: Final = (Method.READ, Method.READ_MANY)
"""They are published again while no reply comes. A search that is slow would be slower by its repetition."""

ParamsModel = TypeVar("ParamsModel", bound=Params)


class RpcCalls:
    """The methods of the contract; each takes a deadline (monotonic, in seconds).

    All raise BadRequest, TooLarge, Unavailable, TimedOut, Misconfigured and Closed.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def read(self, session_id: str, min_revision: int | None, deadline: float) -> Record | None:
        """Return a session, once the revision is applied."""
        params = _valid(ReadParams, session_id=session_id, min_revision=min_revision)
        return ReadResult.model_validate(await self._call(Method.READ, params, deadline)).record

    async def read_many(self, session_ids: Sequence[str], deadline: float) -> list[Record | None]:
        """Return sessions in the order of the ids; in several calls where one reply cannot hold them."""
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

    async def query(self, filter: Filter, options: QueryOptions, deadline: float) -> QueryResult:
        """Return one page."""
        params = _valid(QueryParams, filter=filter, options=options)
        return QueryResult.model_validate(await self._call(Method.QUERY, params, deadline))

    async def count(self, filter: Filter, deadline: float) -> int:
        """Return how many sessions match."""
        params = _valid(CountParams, filter=filter)
        return CountResult.model_validate(await self._call(Method.COUNT, params, deadline)).count

    async def stats(self, player_id: str | None, deadline: float) -> StatsResult:
        """Return the totals of a player, or of all players."""
        params = StatsParams() if player_id is None else _valid(StatsParams, player_id=player_id)
        return StatsResult.model_validate(await self._call(Method.STATS, params, deadline))

    async def health(self, deadline: float) -> HealthResult:
        """Return the health of the worker that replies."""
        return HealthResult.model_validate(await self._call(Method.HEALTH, HealthParams(), deadline))

    async def _read_part(self, session_ids: Sequence[str], deadline: float) -> list[Record | None]:
        params = _valid(ReadManyParams, session_ids=list(session_ids))
        return ReadManyResult.model_validate(await self._call(Method.READ_MANY, params, deadline)).records

    async def _call(self, method: Method, params: Params, deadline: float) -> object:
        """Return the result as it came."""
        delay = FIRST_DELAY
        while True:
            reply = await self._transport.request(request_message(method, params), deadline)
            if "error" not in reply:
                return reply.get("result")
            error = RpcError.model_validate(reply["error"])
            if not error.data.retryable or monotonic() + delay >= deadline:
                raise _error_of(method, error)
            await asyncio.sleep(random.uniform(delay / 2, delay))  # noqa: S311 - jitter, not a secret
            delay = min(delay * 2, MAX_DELAY)


def request_message(method: Method, params: Params) -> OutgoingMessage:
    """Return a JSON-RPC request; raises BadRequest where JSON cannot hold an equal value, or not in 4 MiB."""
    given = params.model_dump(by_alias=True, exclude_unset=True)
    document = {"jsonrpc": "2.0", "id": uuid4().hex, "method": method.value, "params": given}
    try:
        body = encode(document)
    except Rejected as error:
        raise BadRequest(error.message) from None
    if len(body) > MAX_MESSAGE_BYTES:
        raise BadRequest("the request passes 4 MiB")
    repeats = method in CHEAP
    return OutgoingMessage(body, RPC_KEY, RPC_CONTENT_TYPE, persistent=False, repeats=repeats, call=method)


def _valid(model: type[ParamsModel], **given: object) -> ParamsModel:
    try:
        return model.model_validate(given)
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
            return SignatureRefused(f"the worker refuses the signature of this client: {error.message}")
        case ErrorReason.TOO_LARGE:
            return TooLarge(error.message)
        case _:
            return BadRequest(error.message, error.data.details)
