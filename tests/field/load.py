"""Writers that continue while an installation is disturbed; every acknowledged write has to be stored."""

import asyncio
from types import TracebackType
from typing import Final, Self

from contracts.client import SessionStore, SessionStoreError

WRITERS: Final = 8
SESSIONS: Final = 200
"""The number of sessions of all writers together."""
PAUSE_SECONDS: Final = 0.02
ADVANCE_SECONDS: Final = 300.0


class Stalled(Exception):
    """No write was acknowledged for a long time."""


class Load:
    """Writers that begin with `async with`; `written` counts the writes that were acknowledged as stored."""

    def __init__(self, store: SessionStore, writers: int = WRITERS) -> None:
        self._store = store
        self._writers = writers
        self._last: dict[str, int] = {}
        self._over = False
        self._news = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self.written = 0
        self.failures: list[str] = []

    async def __aenter__(self) -> Self:
        """Start the writers."""
        self._tasks = [asyncio.create_task(self._write(number)) for number in range(self._writers)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every writer; after an error also in the middle of a write."""
        self._over = True
        if error is not None:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=error is not None)

    @property
    def sessions(self) -> int:
        """The number of sessions with an acknowledged write."""
        return len(self._last)

    async def advance(self, writes: int, seconds: float = ADVANCE_SECONDS) -> None:
        """Return once this many more writes are acknowledged; raise Stalled after the time limit."""
        goal = self.written + writes
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self.written >= goal)
        except TimeoutError:
            raise Stalled(
                f"{goal - self.written} of {writes} writes were not acknowledged in {seconds:.0f} s"
            ) from None

    async def lost(self) -> list[str]:
        """Return the sessions whose stored state is not the last acknowledged one; every writer has ended."""
        return [name for name, step in self._last.items() if await self._step(name) != step]

    async def _write(self, number: int) -> None:
        step = 0
        while not self._over:
            step += 1
            name = f"sess_trial_{number}_{step % (SESSIONS // self._writers)}"
            try:
                await self._store.write(session(name, step))
            except SessionStoreError as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            else:
                self._last[name] = step
                async with self._news:
                    self.written += 1
                    self._news.notify_all()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _step(self, name: str) -> object:
        found = await self._store.read(name)
        return found.session.state["step"] if found and found.session.state else None


def session(name: str, step: int) -> dict[str, object]:
    """Return a session in wire form with the step that wrote it."""
    return {
        "sessionId": name,
        "playerId": "player_trial",
        "encounter": {"difficulty": "hard"},
        "state": {"step": step},
        "startedAt": "2025-11-07T10:00:00.000Z",
    }
