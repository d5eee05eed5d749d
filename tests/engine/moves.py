"""Players of the engines: moves of one session that overlap, and a count of those that were lost."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import aiohttp

from tests.support.patience import LONGEST_WAIT

OBJECTIVES: Final = 4
FAILED: Final = 599  # the status that stands for a connection that was lost

Session = dict[str, Any]
NOTHING: Final[Session] = {
    "encounter": {"objectives": [{"id": "", "completed": False}] * OBJECTIVES},
    "state": {"objectivesCompleted": []},
}
Stored = Mapping[str, Session]
Read = Callable[[Sequence[str]], Awaitable[Stored]]


@dataclass(frozen=True)
class Losses:
    """What players were told and what is stored; every figure is 0 where the engines keep their promises."""

    lost: int = 0  # objectives that were told to be completed, and are not stored
    errors: int = 0  # moves that touch places of their own, and were told an error
    reopened: int = 0  # sessions that were told to be completed, and are open
    overwritten: int = (
        0  # objectives that were told to be completed, and were lost to the session's completion
    )
    doubled: int = 0  # sessions whose completion two players were told

    def __add__(self, other: Self) -> "Losses":
        """Return the sums."""
        return Losses(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


class Players:
    """Moves of many sessions, over HTTP, in turn on each of the engines."""

    def __init__(self, http: aiohttp.ClientSession, engines: Sequence[str], sessions: int) -> None:
        self._http = http
        self._engines = engines
        self._sessions = sessions

    async def play(self, read: Read) -> Losses:
        """Return the losses of all rounds; `read` gives what is stored once everything is."""
        objectives = await self._round(*(f"objectives/{number}" for number in range(OBJECTIVES)))
        completions = await self._round("complete", "objectives/0")
        doubles = await self._round("complete", "complete")
        stored = await read([*objectives, *completions, *doubles])
        rounds = ((lost_objectives, objectives), (reopened, completions), (completed_twice, doubles))
        losses = [
            judge(statuses, stored.get(session_id, NOTHING))
            for judge, told in rounds
            for session_id, statuses in told.items()
        ]
        return sum(losses, Losses())

    async def _round(self, *moves: str) -> dict[str, list[int]]:
        """Return the statuses that the moves of each session were told; all of them are made at once."""
        made = await asyncio.gather(*(self._create() for _ in range(self._sessions)))
        told = await asyncio.gather(
            *(
                self._move(self._engines[turn % len(self._engines)], f"sessions/{session_id}/{move}")
                for session_id in made
                for turn, move in enumerate(moves)
            )
        )
        return {each: list(told[turn * len(moves) :][: len(moves)]) for turn, each in enumerate(made)}

    async def _create(self) -> str:
        async with self._http.post(f"{self._engines[0]}/players/player_1/sessions") as answer:
            assert answer.status == 201, await answer.text()
            session_id = str((await answer.json())["sessionId"])
        await asyncio.gather(*(self._seen(engine, session_id) for engine in self._engines))
        return session_id

    async def _seen(self, engine: str, session_id: str) -> None:
        """Return once an engine has the session: another one's write may be on its way where it is only queued."""
        async with asyncio.timeout(LONGEST_WAIT):
            while True:
                async with self._http.get(f"{engine}/sessions/{session_id}") as answer:
                    if answer.status == 200:
                        return

    async def _move(self, engine: str, path: str) -> int:
        try:
            async with self._http.post(f"{engine}/{path}") as answer:
                await answer.read()
                return answer.status
        except aiohttp.ClientError:
            return FAILED


def lost_objectives(told: Sequence[int], session: Session) -> Losses:
    """Judge a session whose first objectives were completed at once, each by one player."""
    done = session["state"]["objectivesCompleted"]
    objectives = session["encounter"]["objectives"][: len(told)]
    kept = [each["completed"] and done.count(each["id"]) == 1 for each in objectives]
    lost = sum(status == 200 and not is_kept for status, is_kept in zip(told, kept, strict=True))
    return Losses(lost=lost, errors=sum(status != 200 for status in told))


def reopened(told: Sequence[int], session: Session) -> Losses:
    """Judge a session that was completed while another player completed its first objective."""
    completion, objective = told
    first = lost_objectives([objective], session)
    return Losses(
        errors=first.errors + (completion != 200),
        reopened=int(completion == 200 and not session.get("completedAt")),
        overwritten=first.lost,
    )


def completed_twice(told: Sequence[int], session: Session) -> Losses:
    """Judge a session that two players completed at once: one of them does, and the other is told that it is."""
    completions = told.count(200)
    is_completed = completions > 0 and session.get("completedAt")
    return Losses(doubled=int(completions > 1), errors=int(not is_completed))
