"""Answers each method from the database."""

import asyncio
from collections.abc import Mapping
from time import monotonic

from contracts.faults import ErrorReason, FieldFault, RpcError, make_error
from contracts.requests import (
    CountParams,
    HealthParams,
    Params,
    QueryParams,
    ReadManyParams,
    ReadParams,
    StatsParams,
)
from worker.errors import AnswerTooLarge, Overloaded, RowRefused, StorageUnavailable
from worker.retry import Backoff
from worker.rpc.deadline import Deadline
from worker.rpc.health_check import HealthCheck
from worker.store.cursor import CursorRefused
from worker.store.failures import TIMEOUTS
from worker.store.reader import SessionReader
from worker.traces.interface import NO_TRACING, Traces

Result = dict[str, object]
QUERIES: Mapping[type[Params], str] = {
    ReadParams: "SELECT sessions",
    ReadManyParams: "SELECT sessions",
    QueryParams: "SELECT sessions",
    CountParams: "SELECT sessions",
    StatsParams: "SELECT session_totals",
    HealthParams: "SELECT",
}
VISIBLE_SECONDS = 5.0  # the wait for `minRevision` where the request has no deadline


class RpcFailure(Exception):
    """A request that is answered with an error."""

    def __init__(self, error: RpcError) -> None:
        super().__init__(error.message)
        self.error = error


class Answers:
    """Answers validated parameters from the database."""

    def __init__(self, reader: SessionReader, health: HealthCheck, traces: Traces = NO_TRACING) -> None:
        self._reader = reader
        self._health = health
        self._traces = traces

    async def answer(self, params: Params, deadline: Deadline) -> Result:
        """Return the result for `params`, or raise RpcFailure with the contract's error, before the deadline."""
        try:
            if isinstance(params, ReadParams) and params.min_revision is not None:
                return await self._read_since(params.session_id, params.min_revision, deadline)
            if (timeout := deadline.left()) <= 0:
                raise RpcFailure(make_error(ErrorReason.TIMEOUT, "there was no time left for this call"))
            with self._traces.querying(QUERIES[type(params)]):
                return await self._ask(params, timeout)
        except StorageUnavailable as error:
            reason = ErrorReason.TIMEOUT if error.reason in TIMEOUTS else ErrorReason.STORAGE_UNAVAILABLE
            raise RpcFailure(make_error(reason, f"the database cannot answer now: {error.reason}")) from error
        except AnswerTooLarge as error:
            raise RpcFailure(make_error(ErrorReason.TOO_LARGE, f"{error}: ask for less")) from error
        except Overloaded as error:
            raise RpcFailure(make_error(ErrorReason.OVERLOADED, str(error))) from error
        except CursorRefused as error:
            raise _refusal("options.cursor", str(error)) from error
        except RowRefused as error:
            message = f"have a value that the database cannot represent (SQLSTATE {error.sqlstate})"
            raise _refusal("params", message) from error

    async def _ask(self, params: Params, timeout: float) -> Result:
        match params:
            case ReadParams():
                return {"record": await self._reader.read(params.session_id, timeout)}
            case ReadManyParams():
                return {"records": await self._reader.read_many(params.session_ids, timeout)}
            case QueryParams():
                page = await self._reader.query(params.filter, params.options, timeout)
                return {"records": page.records, "nextCursor": page.next_cursor}
            case CountParams():
                return {"count": await self._reader.count(params.filter, timeout)}
            case StatsParams():
                return await self._reader.stats(params.player_id, timeout)
            case HealthParams():
                return await self._health.check()
        raise AssertionError(f"no answer for {type(params).__name__}")

    async def _read_since(self, session_id: str, revision: int, deadline: Deadline) -> Result:
        """Return the record once an event of this revision or a newer one is applied."""
        until = (
            deadline.until if deadline.has_deadline else min(deadline.until, monotonic() + VISIBLE_SECONDS)
        )
        backoff = Backoff(first=0.01, limit=0.25)
        while (left := until - monotonic()) > 0:
            with self._traces.querying("SELECT session_ledger"):
                found = await self._reader.read_since(session_id, revision, left)
            if found.applied >= revision:
                return {"record": found.record}
            await asyncio.sleep(min(backoff.next(), until - monotonic()))
        message = f"revision {revision} is not applied yet"
        raise RpcFailure(make_error(ErrorReason.NOT_YET_VISIBLE, message))


def _refusal(field: str, message: str) -> RpcFailure:
    """Return the failure of a request whose sender must change a field."""
    fault = FieldFault(field=field, message=f"{field} {message}")
    return RpcFailure(make_error(ErrorReason.INVALID_PARAMS, fault.message, [fault.model_dump()]))
