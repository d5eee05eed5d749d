"""Reads that include this client's own writes, and that raise its clock."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import monotonic

from ..limits import MAX_LIMIT
from ..replies import QueryResult, Record
from ..requests import Filter, QueryOptions
from .clock import HybridClock, PendingWrites
from .errors import TooLarge
from .rpc import RpcCalls


class SessionReader:
    """Waits for the queued writes of this client; the next write of a session that was read is newer.

    Deadlines are monotonic, in seconds. All raise as `RpcCalls`.
    """

    def __init__(self, rpc: RpcCalls, clock: HybridClock, pending: PendingWrites) -> None:
        self._rpc = rpc
        self._clock = clock
        self._pending = pending

    async def read(self, session_id: str, min_revision: int | None, deadline: float) -> Record | None:
        """Return a session, or None; never a state from before this client's own last write of it."""
        awaited = max(min_revision or 0, self._pending.revision_of(session_id)) or None
        record = await self._rpc.read(session_id, awaited, deadline)
        if awaited is not None:
            self._pending.settle(session_id, awaited)
        self._clock.observe_all([record])
        return record

    async def read_many(self, session_ids: Sequence[str], deadline: float) -> list[Record | None]:
        """Return sessions in the order of the ids, None where there is none; as current as those of `read`."""
        records = await self._rpc.read_many(session_ids, deadline)
        self._clock.observe_all(records)
        behind = {
            session_id
            for session_id, record in zip(session_ids, records, strict=True)
            if (record.revision if record else 0) < self._pending.revision_of(session_id)
        }
        awaited = await asyncio.gather(*(self.read(each, None, deadline) for each in behind))
        fresh = dict(zip(behind, awaited, strict=True))
        return [fresh.get(each, record) for each, record in zip(session_ids, records, strict=True)]

    async def query(self, filter: Filter, options: QueryOptions, deadline: float) -> QueryResult:
        """Return one page, and the cursor of the next. Queued writes are not awaited."""
        page = await self._rpc.query(filter, options, deadline)
        self._clock.observe_all(page.records)
        return page

    async def iterate(
        self, filter: Filter, options: QueryOptions, page_timeout: float
    ) -> AsyncIterator[Record]:
        """Yield every match, in pages of `limit` records (1,000), smaller where one reply cannot hold them.

        Each page has `page_timeout` seconds.
        """
        if "limit" not in options.model_fields_set:
            options = options.model_copy(update={"limit": MAX_LIMIT})
        while True:
            try:
                page = await self.query(filter, options, monotonic() + page_timeout)
            except TooLarge:
                if options.limit == 1:
                    raise
                options = options.model_copy(update={"limit": options.limit // 2})
                continue
            for record in page.records:
                yield record
            if page.next_cursor is None:
                return
            options = options.model_copy(update={"cursor": page.next_cursor, "offset": None})
