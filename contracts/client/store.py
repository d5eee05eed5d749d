"""Sessions for a Python engine, as if the database were local."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Literal, Self, cast, get_args, overload
from uuid import UUID

from ..limits import BODY_LIMIT, CALL_TIMEOUT_MS
from ..replies import HealthResult, QueryResult, Receipt, Record, StatsResult
from ..requests import Filter, QueryOptions
from ..signing import Keyring
from ..topology import Topology
from .address import BrokerAddress
from .changes import KINDS, ChangeKind, ChangeStreams, StreamItem
from .clock import HybridClock, PendingWrites
from .events import Durability, EventOptions, SessionContent, WriteResult
from .reader import SessionReader
from .rpc import RpcCalls
from .transport import Transport
from .updates import ChangeOrCreate, ChangeSession, Missing, SessionUpdater, UpdateResult
from .writer import SessionWriter


class SessionStore:
    """Writes, deletes and reads sessions through RabbitMQ; `async with` opens and closes it.

    The hosts of a cluster stand in `url` with commas, and are tried in turn: `amqp://user:password@one,two/`.
    `timeout` bounds every call, in seconds. With durability `stored` a write returns when it is committed. With
    `queued` it returns when the broker has it on disk, and reads of that session then wait for it. The client
    reconnects by itself, and sends calls in flight again under the same event id. Calls may overlap. With `keys`, a
    text like `k2:secret k1:secret`, every message is signed with the first key, and every reply must be signed with
    one of them. An event of more than `body_limit` bytes is rejected before it is sent; it must equal the workers'
    SESSION_STORE_BODY_LIMIT.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "",
        source: str = "engine/python",
        durability: Durability = "stored",
        timeout: float = CALL_TIMEOUT_MS / 1000,
        keys: str = "",
        body_limit: int = BODY_LIMIT,
    ) -> None:
        if durability not in get_args(Durability):
            raise ValueError(f"durability must be one of {', '.join(get_args(Durability))}")
        address, topology, keyring = BrokerAddress.parse(url), Topology(prefix), Keyring.parse(keys)
        clock, pending = HybridClock(), PendingWrites()
        options = EventOptions(source, durability, body_limit)
        self._transport = Transport(address, source, topology, keyring)
        self._streams = ChangeStreams(address, source, topology, keyring)
        self._rpc = RpcCalls(self._transport)
        self._reader = SessionReader(self._rpc, clock, pending)
        self._writer = SessionWriter(self._transport, self._reader, clock, pending, options)
        self._updater = SessionUpdater(self._reader, self._writer)
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        """Start to connect; the first call waits for the connection."""
        self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls in flight and later ones raise Closed. Closing twice is fine."""
        self._streams.close()
        await self._transport.close()

    async def write(
        self,
        session: SessionContent,
        *,
        expected_revision: int | None = None,
        revision: int | None = None,
        event_id: UUID | None = None,
        updated_at: datetime | None = None,
    ) -> WriteResult:
        """Create or replace a session.

        With `expected_revision` the write replaces exactly that revision (0: no session is there), or raises
        Conflict. Raises Rejected, TimedOut, Misconfigured, Closed.
        After TimedOut the same write with the error's `event_id` and `revision` is safe. `updated_at` is for an
        import: the time of the session's last change, where that is not now.
        """
        deadline = self._deadline()
        return await self._writer.write(session, expected_revision, revision, event_id, deadline, updated_at)

    @overload
    async def update(self, session_id: str, change: ChangeSession) -> UpdateResult: ...

    @overload
    async def update(
        self, session_id: str, change: ChangeOrCreate, *, missing: Literal["create"]
    ) -> UpdateResult: ...

    async def update(
        self, session_id: str, change: ChangeSession | ChangeOrCreate, *, missing: Missing = "refuse"
    ) -> UpdateResult:
        """Change the stored session, and return the result. Always `stored`.

        `change` gets the session as a dictionary, and changes it in place or returns another. It is called again with
        the newest state while others write in between, up to the deadline. It gets None for a missing session with
        `missing="create"`; otherwise that raises NotFound. Raises BadRequest, Conflict where others
        write in between up to the deadline, and as `write`.
        """
        change = cast(ChangeOrCreate, change)
        return await self._updater.update(session_id, change, missing, self._deadline())

    async def delete(
        self,
        session_id: str,
        *,
        expected_revision: int | None = None,
        revision: int | None = None,
        event_id: UUID | None = None,
    ) -> WriteResult:
        """Delete a session and keep earlier writes out; `.existed` says whether it was there. Always `stored`.

        Deletes the session even if an engine with a fast clock wrote it at a greater revision, unless `revision` or
        `event_id` is given. Writes made after this call are kept. Raises as `write`.
        """
        return await self._writer.delete(session_id, expected_revision, revision, event_id, self._deadline())

    async def erase_player(self, player_id: str, *, revision: int | None = None) -> Receipt:
        """Erase a player's sessions up to the revision (now), and keep late writes out; raises as `write`."""
        return await self._writer.erase(player_id, revision, self._deadline())

    async def read(self, session_id: str, *, min_revision: int | None = None) -> Record | None:
        """Return a session, or None; never a state from before this client's own last write of it."""
        return await self._reader.read(session_id, min_revision, self._deadline())

    async def read_many(self, session_ids: Sequence[str]) -> list[Record | None]:
        """Return sessions in the order of the ids; None where there is none. Includes this client's own writes."""
        return await self._reader.read_many(session_ids, self._deadline())

    async def query(self, filter: Filter | None = None, options: QueryOptions | None = None) -> QueryResult:
        """Return one page, and the cursor of the next. This client's queued writes are not awaited."""
        return await self._reader.query(filter or Filter(), options or QueryOptions(), self._deadline())

    def iterate(
        self, filter: Filter | None = None, options: QueryOptions | None = None
    ) -> AsyncIterator[Record]:
        """Yield every match, in pages of `limit` records (1,000), smaller where one reply cannot hold them.

        A write meanwhile is seen or not, and no session comes twice unless its place in the order changes.
        """
        return self._reader.iterate(filter or Filter(), options or QueryOptions(), self._timeout)

    async def count(self, filter: Filter | None = None) -> int:
        """Return how many sessions match the filter."""
        return await self._rpc.count(filter or Filter(), self._deadline())

    async def stats(self, player_id: str | None = None) -> StatsResult:
        """Return the totals of a player, or of all players."""
        return await self._rpc.stats(player_id, self._deadline())

    async def health(self) -> HealthResult:
        """Return the health of the worker that replies."""
        return await self._rpc.health(self._deadline())

    def changes(
        self, kinds: Collection[ChangeKind] = KINDS, *, queue: str | None = None
    ) -> AsyncGenerator[StreamItem, None]:
        """Yield committed changes, each session's in order; a Gap wherever changes may be missing.

        Needs a worker with the changes feed on. With `queue` a durable queue of that name collects changes while no
        stream reads it; nobody deletes that queue. Raises Closed, Misconfigured.
        """
        return self._streams.stream(kinds, queue)

    def _deadline(self) -> float:
        return monotonic() + self._timeout
