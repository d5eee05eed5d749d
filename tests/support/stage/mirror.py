"""A copy of all sessions, from the changes that the Python client reports."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing

from contracts.client import Gap, SessionDeleted, SessionStore, SessionStored
from tests.support.stage.events import content_of
from tests.support.stage.history import Row


class Mirror:
    """Keeps the sessions that the Python client reports; a deleted session is None."""

    def __init__(self) -> None:
        self.sessions: dict[str, Row | None] = {}
        self.gaps = 0
        self.has_begun = asyncio.Event()
        self._news = asyncio.Condition()

    async def follow(self, store: SessionStore, queue: str | None) -> None:
        async with aclosing(store.changes(queue=queue)) as changes:
            async for change in changes:
                self._keep(change)
                async with self._news:
                    self._news.notify_all()

    async def until(self, is_so: Callable[[], object]) -> None:
        """Return once the condition is true; fails after 30 seconds."""
        async with self._news, asyncio.timeout(30):
            await self._news.wait_for(is_so)

    def differing(self, rows: Mapping[str, Row]) -> dict[str, Row | None]:
        """Return the copies that differ from the stored rows."""
        return {name: row for name, row in self.sessions.items() if rows.get(name) != row}

    def _keep(self, change: SessionStored | SessionDeleted | Gap) -> None:
        match change:
            case Gap():
                self.gaps += 1
                self.sessions.clear()
                self.has_begun.set()
            case SessionStored():
                session = change.data.session.model_dump(mode="json", by_alias=True, exclude_unset=True)
                self.sessions[change.subject] = Row(change.data.revision, content_of(session))
            case SessionDeleted():
                self.sessions[change.subject] = None
