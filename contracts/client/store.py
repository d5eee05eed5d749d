"""A Python engine's side of the contract: sessions as if the database were local."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from dataclasses import replace
from time import monotonic
from types import TracebackType
from typing import Self, get_args
from uuid import UUID, uuid4

from yarl import URL

from contracts.client.asking import Questions
from contracts.client.changes import KINDS, Followed, Followers, Kind
from contracts.client.clock import HybridClock, QueuedWrites
from contracts.client.erasing import erase
from contracts.client.errors import Conflict, Rejected, TimedOut, TooLarge
from contracts.client.messages import BODY_LIMIT, Change, Content, Message, check_event, event_message, id_of
from contracts.client.wire import Wire
from contracts.client.written import Durability, Written
from contracts.hosts import split_hosts
from contracts.outcomes import Outcome
from contracts.replies import Confirmation, HealthResult, QueryResult, Receipt, Record, StatsResult
from contracts.requests import MAX_LIMIT, Filter, QueryOptions
from contracts.signing import Keyring
from contracts.topology import DELETE_KEY, ERASE_KEY, WRITE_KEY, Topology


class SessionStore:
    """Writes, deletes and reads sessions through RabbitMQ; `async with` opens and closes it.

    The hosts of a cluster stand in `url` with commas, and are tried in turn: `amqp://user:password@one,two/`.
    `timeout` bounds every call, in seconds. With durability `stored` a write returns when it is committed; with
    `queued` when the broker has it on disk, and reads of that session then wait for it. It reconnects by itself, and
    what was in flight is sent again under the same event id. Many calls at once are fine. With `keys`, a text like
    `k2:secret k1:secret`, every message is signed with the first and every answer must be signed with one of them.
    An event of more than `body_limit` bytes is rejected before it is sent: it is what SESSION_STORE_BODY_LIMIT is.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "",
        source: str = "engine/python",
        durability: Durability = "stored",
        timeout: float = 5.0,
        keys: str = "",
        body_limit: int = BODY_LIMIT,
    ) -> None:
        if durability not in get_args(Durability):
            raise ValueError(f"durability must be one of {', '.join(get_args(Durability))}")
        if any(URL(host).scheme not in ("amqp", "amqps") for host in split_hosts(url)):
            raise ValueError("url must begin with amqp:// or amqps://")
        topology, keyring = Topology(prefix), Keyring.parse(keys)
        self._wire = Wire(url, source, topology, keyring)
        self._followers = Followers(url, source, topology, keyring)
        self._questions = Questions(self._wire)
        self._source = source
        self._durability = durability
        self._timeout = timeout
        self._body_limit = body_limit
        self._clock = HybridClock()
        self._queued = QueuedWrites()

    async def __aenter__(self) -> Self:
        """Begin to connect; the first call waits for it."""
        self._wire.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Leave the connection closed; calls in flight and later ones raise Closed. Closing twice is fine."""
        self._followers.close()
        await self._wire.close()

    async def write(
        self,
        session: Content,
        *,
        expected_revision: int | None = None,
        revision: int | None = None,
        event_id: UUID | None = None,
    ) -> Written:
        """Create or replace a session.

        `expected_revision` lets it happen only over exactly that revision (0: no session is there); Conflict
        otherwise. Raises Rejected, TimedOut, Misconfigured, Closed.
        After TimedOut the same write with the error's `event_id` and `revision` is safe.
        """
        change = self._change(WRITE_KEY, id_of(session), expected_revision, revision, event_id)
        return await self._send(replace(change, session=session), self._deadline())

    async def delete(
        self,
        session_id: str,
        *,
        expected_revision: int | None = None,
        revision: int | None = None,
        event_id: UUID | None = None,
    ) -> Written:
        """Delete a session and keep earlier writes out; `.existed` says whether it was there. Always `stored`.

        A state that an engine whose clock is ahead wrote before is deleted too, though its revision is greater than
        ours, save where one is given; what was written after this call stays. Raises as `write`.
        """
        deadline = self._deadline()
        while True:
            change = self._change(DELETE_KEY, session_id, expected_revision, revision, event_id)
            written = await self._send(change, deadline)
            is_lost = written.outcome is Outcome.SUPERSEDED and revision is None and event_id is None
            is_behind = self._clock.is_behind(session_id)
            if not (is_lost and is_behind and self._clock.is_latest(session_id, change.revision)):
                return written

    async def erase_player(self, player_id: str, *, revision: int | None = None) -> Receipt:
        """Erase what was written of a player up to the revision (now), and keep it out; raises as `write`."""
        change = self._change(ERASE_KEY, player_id, None, revision, None)
        return await erase(
            self._wire, event_message(change, self._source, self._body_limit), self._deadline()
        )

    async def read(self, session_id: str, *, min_revision: int | None = None) -> Record | None:
        """Return a session, or None; never one from before this client's own last write of it."""
        return await self._read(session_id, min_revision, self._deadline())

    async def read_many(self, session_ids: Sequence[str]) -> list[Record | None]:
        """Return sessions in the order asked; None where there is none. Own writes are waited for."""
        deadline = self._deadline()
        records = await self._questions.read_many(session_ids, deadline)
        self._clock.observe_all(records)
        behind = {
            session_id
            for session_id, record in zip(session_ids, records, strict=True)
            if (record.revision if record else 0) < self._queued.of(session_id)
        }
        waited_for = await asyncio.gather(*(self._read(each, None, deadline) for each in behind))
        fresh = dict(zip(behind, waited_for, strict=True))
        return [fresh.get(each, record) for each, record in zip(session_ids, records, strict=True)]

    async def query(self, filter: Filter | None = None, options: QueryOptions | None = None) -> QueryResult:
        """Return one page, and the cursor of the next. Own queued writes are not waited for."""
        page = await self._questions.query(filter or Filter(), options or QueryOptions(), self._deadline())
        self._clock.observe_all(page.records)
        return page

    async def iterate(
        self, filter: Filter | None = None, options: QueryOptions | None = None
    ) -> AsyncIterator[Record]:
        """Yield every match, `limit` at a time (1,000), fewer where they are too large for one answer.

        What is written meanwhile is seen or not, but nothing comes twice unless its place in the order changes.
        """
        options = options or QueryOptions()
        if "limit" not in options.model_fields_set:
            options = options.model_copy(update={"limit": MAX_LIMIT})
        while True:
            try:
                page = await self.query(filter, options)
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

    async def count(self, filter: Filter | None = None) -> int:
        """Return how many sessions pass the filter."""
        return await self._questions.count(filter or Filter(), self._deadline())

    async def stats(self, player_id: str | None = None) -> StatsResult:
        """Return the totals of a player, or of everybody."""
        return await self._questions.stats(player_id, self._deadline())

    async def health(self) -> HealthResult:
        """Return how the worker that answers is."""
        return await self._questions.health(self._deadline())

    def changes(
        self, kinds: Collection[Kind] = KINDS, *, queue: str | None = None
    ) -> AsyncGenerator[Followed, None]:
        """Yield what is committed, each session's in its order; a Gap wherever something may have been missed.

        Needs a worker with the changes feed on. With `queue` a durable queue of that name, which nobody deletes,
        collects them while nobody follows. Raises Closed, Misconfigured.
        """
        return self._followers.follow(kinds, queue)

    async def _read(self, session_id: str, min_revision: int | None, deadline: float) -> Record | None:
        wanted = max(min_revision or 0, self._queued.of(session_id)) or None
        record = await self._questions.read(session_id, wanted, deadline)
        if wanted is not None:
            self._queued.settle(session_id, wanted)
        self._clock.observe_all([record])
        return record

    def _change(
        self, kind: str, session_id: str, expected: int | None, revision: int | None, event_id: UUID | None
    ) -> Change:
        if revision is None:
            revision = self._clock.next(session_id)
        return Change(kind, session_id, revision, expected, event_id or uuid4())

    async def _send(self, change: Change, deadline: float) -> Written:
        message = event_message(change, self._source, self._body_limit)
        is_free = change.kind == WRITE_KEY and change.expected is None
        try:
            if self._durability == "queued" and is_free and self._queued.has_room_for(change.session_id):
                return await self._queue(change, message, deadline)
            told = Confirmation.model_validate(await self._wire.ask(message, deadline))
            return await self._judge(told, change, deadline)
        except TimedOut as error:
            raise type(error)(
                message.what, event_id=change.event_id, revision=change.revision, reason=error.reason
            ) from error

    async def _queue(self, change: Change, message: Message, deadline: float) -> Written:
        check_event(message)
        await self._wire.publish(message, deadline)
        self._queued.add(change.session_id, change.revision)
        self._clock.observe(change.session_id, change.revision)
        return Written(change.event_id, change.revision, None)

    async def _judge(self, told: Confirmation, change: Change, deadline: float) -> Written:
        """Return what the worker told, or raise it."""
        if told.code is not None:
            raise Rejected(told.code, told.message or "")
        applied = told.revision or 0
        if told.outcome is not Outcome.CONFLICT:  # this event, or a greater one
            applied = max(applied, change.revision)
        self._clock.observe(change.session_id, applied)
        self._queued.settle(change.session_id, applied)
        repeated = told.outcome is Outcome.DUPLICATE
        outcome = told.first if repeated else told.outcome
        if change.expected is not None and outcome in (Outcome.CONFLICT, Outcome.SUPERSEDED):
            record = await self._read(change.session_id, None, deadline)
            raise Conflict(change.session_id, change.expected, record)
        return Written(change.event_id, change.revision, outcome, repeated)

    def _deadline(self) -> float:
        return monotonic() + self._timeout
