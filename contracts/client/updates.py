"""Changes of a session that are made again until no other write came in between."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal
from weakref import WeakValueDictionary

from ..refusals import echo
from ..replies import Record
from .errors import BadRequest, Conflict, NotFound
from .events import SessionContent, session_id_of
from .reader import SessionReader
from .writer import SessionWriter

Missing = Literal["refuse", "create"]
EditableSession = dict[str, Any]
"""A session as JSON has it, by its wire names (`sessionId`): a copy of the caller's own."""

Changed = SessionContent | None
ChangeSession = Callable[[EditableSession], Changed | Awaitable[Changed]]
"""Changes a session in place and returns None, or returns another one. It may be called several times."""

ChangeOrCreate = Callable[[EditableSession | None], Changed | Awaitable[Changed]]
"""The same for a session that may be missing: then it gets None, and returns the session to create."""


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """A session as an update left it, and its revision."""

    session: SessionContent
    revision: int


class SessionUpdater:
    """Reads, changes and writes a session; this client's own updates of a session take turns."""

    def __init__(self, reader: SessionReader, writer: SessionWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def update(
        self, session_id: str, change: ChangeOrCreate, missing: Missing, deadline: float
    ) -> UpdateResult:
        """Return the session that was stored; the deadline is monotonic, in seconds.

        Raises NotFound where there is no session and `missing` is `refuse`, BadRequest where `change` returns another
        session than this, Conflict or TimedOut where others write in between up to the deadline, and as a write does.
        An error of `change` goes to the caller, and nothing is written.
        """
        async with self._turns.setdefault(session_id, asyncio.Lock()):
            while True:
                record = await self._reader.read(session_id, None, deadline)
                if record is None and missing == "refuse":
                    raise NotFound(session_id)
                try:
                    return await self._write(session_id, record, change, deadline)
                except Conflict:
                    if monotonic() >= deadline:
                        raise

    async def _write(
        self, session_id: str, record: Record | None, change: ChangeOrCreate, deadline: float
    ) -> UpdateResult:
        before = _editable(record) if record else None
        edited = _editable(record) if record else None
        returned = change(edited)
        changed = await returned if inspect.isawaitable(returned) else returned
        session = edited if changed is None else changed
        if session is None or session_id_of(session) != session_id:
            found = echo(session_id_of(session)) if session else "nothing"
            raise BadRequest(f"the change must return the session {echo(session_id)} (got {found})")
        if record and session == before:
            return UpdateResult(session, record.revision)
        expected = record.revision if record else 0
        written = await self._writer.write(session, expected, None, None, deadline)
        return UpdateResult(session, written.revision)


def _editable(record: Record) -> EditableSession:
    return record.session.model_dump(mode="json", by_alias=True, exclude_unset=True)
