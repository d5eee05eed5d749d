"""A Python engine's side of the contract: sessions as if the database were local."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from types import TracebackType
from typing import Literal, Self
from uuid import UUID, uuid4

import orjson

from contracts.client.asking import Questions
from contracts.client.clock import HybridClock, RevisionMemory
from contracts.client.errors import Conflict, Rejected, TimedOut
from contracts.client.wire import Message, Wire
from contracts.outcomes import Outcome
from contracts.replies import Confirmation, HealthResult, QueryResult, Record, StatsResult
from contracts.requests import Filter, QueryOptions
from contracts.scalars import format_timestamp
from contracts.session import Session
from contracts.topology import DELETE_KEY, WRITE_KEY, Topology

Json = dict[str, object]
Durability = Literal["stored", "queued"]
Content = Mapping[str, object] | Session


@dataclass(frozen=True, slots=True)
class Written:
    """What became of an event; `outcome` is None where only the broker has confirmed it (`queued`).

    `revision` is the event's own. A repeat is told the outcome it had when it was applied.
    """

    event_id: UUID
    revision: int
    outcome: Outcome | None

    @property
    def existed(self) -> bool:
        """Whether a delete found the session; only known when it is stored."""
        return self.outcome is Outcome.DELETED


class SessionStore:
    """Writes, deletes and reads sessions through RabbitMQ; `async with` opens and closes it.

    `timeout` bounds every call, in seconds. With durability `stored` a write returns when it is committed; with
    `queued` when the broker has it on disk, and reads of that session then wait for it. It reconnects by itself, and
    what was in flight is sent again under the same event id. Many calls at once are fine.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "",
        source: str = "engine/python",
        durability: Durability = "stored",
        timeout: float = 5.0,
    ) -> None:
        self._wire = Wire(url, Topology(prefix))
        self._questions = Questions(self._wire)
        self._source = source
        self._durability = durability
        self._timeout = timeout
        self._clock = HybridClock()
        self._queued = RevisionMemory()

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
        content = _wire_form(session)
        session_id = str(content.get("sessionId"))
        revision = revision or self._clock.next(session_id)
        inner: Json = {"revision": revision, "expectedRevision": expected_revision, "session": content}
        return await self._send(WRITE_KEY, session_id, inner, event_id or uuid4())

    async def delete(
        self,
        session_id: str,
        *,
        expected_revision: int | None = None,
        revision: int | None = None,
        event_id: UUID | None = None,
    ) -> Written:
        """Delete a session and keep earlier writes out; `.existed` says whether it was there. Raises as `write`."""
        revision = revision or self._clock.next(session_id)
        inner: Json = {"revision": revision, "expectedRevision": expected_revision}
        return await self._send(DELETE_KEY, session_id, inner, event_id or uuid4())

    async def read(self, session_id: str, *, min_revision: int | None = None) -> Record | None:
        """Return a session, or None; never one from before this client's own last write of it."""
        wanted = max(min_revision or 0, self._queued.of(session_id)) or None
        record = await self._questions.read(session_id, wanted, self._deadline())
        if record is not None:
            self._clock.observe(session_id, record.revision)
        return record

    async def read_many(self, session_ids: list[str]) -> list[Record | None]:
        """Return up to 1,000 sessions in the order asked; None where there is none. Own writes are waited for."""
        for session_id in filter(self._queued.of, dict.fromkeys(session_ids)):
            await self.read(session_id)
        records = await self._questions.read_many(session_ids, self._deadline())
        self._observe(records)
        return records

    async def query(self, filter: Filter | None = None, options: QueryOptions | None = None) -> QueryResult:
        """Return one page, and the cursor of the next."""
        page = await self._questions.query(filter or Filter(), options or QueryOptions(), self._deadline())
        self._observe(page.records)
        return page

    async def iterate(
        self, filter: Filter | None = None, options: QueryOptions | None = None
    ) -> AsyncIterator[Record]:
        """Yield every match, page by page; what is written meanwhile is seen or not, but nothing twice."""
        options = options or QueryOptions()
        while True:
            page = await self.query(filter, options)
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

    def _observe(self, records: Iterable[Record | None]) -> None:
        for record in records:
            if record is not None:
                self._clock.observe(record.session.session_id, record.revision)

    async def _send(self, kind: str, session_id: str, inner: Json, event_id: UUID) -> Written:
        revision, expected = inner["revision"], inner["expectedRevision"]
        assert isinstance(revision, int)  # noqa: S101 - made above
        message = self._event(kind, session_id, inner, event_id)
        try:
            if self._durability == "queued" and expected is None:
                await self._wire.publish(message, self._deadline())
                self._queued.raise_to(session_id, revision)
                return Written(event_id, revision, None)
            answer = await self._wire.ask(message, self._deadline())
        except TimedOut:
            raise TimedOut(message.what, event_id, revision) from None
        return await self._judge(
            Confirmation.model_validate(answer), session_id, expected, revision, event_id
        )

    async def _judge(
        self, told: Confirmation, session_id: str, expected: object, revision: int, event_id: UUID
    ) -> Written:
        if told.revision is not None:
            self._clock.observe(session_id, told.revision)
        if told.code is not None:
            raise Rejected(told.code, told.message or "")
        outcome = told.first if told.outcome is Outcome.DUPLICATE else told.outcome
        if isinstance(expected, int) and outcome in (Outcome.CONFLICT, Outcome.SUPERSEDED):
            raise Conflict(session_id, expected, await self.read(session_id))
        return Written(event_id, revision, outcome)

    def _event(self, kind: str, session_id: str, inner: Json, event_id: UUID) -> Message:
        document = {
            "specversion": "1.0",
            "id": str(event_id),
            "source": self._source,
            "type": kind,
            "subject": session_id,
            "time": format_timestamp(datetime.now(UTC)),
            "data": inner,
        }
        body = orjson.dumps(document)
        return Message(body, kind, "application/cloudevents+json", True, f"{kind} of {session_id}")

    def _deadline(self) -> float:
        return monotonic() + self._timeout


def _wire_form(session: Content) -> dict[str, object]:
    if isinstance(session, Session):
        return session.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return dict(session)
