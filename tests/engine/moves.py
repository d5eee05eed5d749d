"""Players of the engines: overlapping moves of one session, and a count of the lost ones."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import aiohttp

from tests.support.patience import LONGEST_WAIT

OBJECTIVES: Final = 4
FAILED: Final = 599  # the status for a lost connection

Session = dict[str, Any]
NOTHING: Final[Session] = {
    "encounter": {"objectives": [{"id": "", "completed": False}] * OBJECTIVES},
    "state": {"objectivesCompleted": []},
}
Stored = Mapping[str, Session]
OnAnswer = Callable[[], Awaitable[None]]
"""Called after each move that was answered."""

Read = Callable[[Sequence[str]], Awaitable[Stored]]


@dataclass(frozen=True)
class Losses:
    """Differences between answers to players and stored sessions; all are 0 where promises are kept."""

    lost: int = 0  # objectives that were answered as completed, and are not stored
    errors: int = 0  # moves that touch places of their own, and were answered by an error
    reopened: int = 0  # sessions that were answered as completed, and are open
    overwritten: int = (
        0  # objectives that were answered as completed, and were lost to the session's completion
    )
    doubled: int = 0  # sessions whose completion was answered to two players
    revived: int = 0  # sessions that were answered as deleted, and still exist

    def __add__(self, other: Self) -> "Losses":
        """Return the sums."""
        return Losses(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


async def pass_on() -> None:
    """Do nothing."""


class Players:
    """Moves of many sessions over HTTP, on each of the engines in turn; `engines` may change meanwhile."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        engines: Sequence[str],
        sessions: int,
        on_answer: OnAnswer = pass_on,
    ) -> None:
        self._http = http
        self._engines = engines
        self._sessions = sessions
        self._on_answer = on_answer

    async def play(self, read: Read) -> Losses:
        """Return the losses of all rounds; `read` returns the stored sessions once every event is stored."""
        objectives = await self._round(*(f"objectives/{number}" for number in range(OBJECTIVES)))
        completions = await self._round("complete", "objectives/0")
        doubles = await self._round("complete", "complete")
        deletes = await self._round("", "objectives/0", "objectives/1")
        stored = await read([*objectives, *completions, *doubles, *deletes])
        rounds = (
            (lost_objectives, objectives),
            (reopened, completions),
            (completed_twice, doubles),
            (revived, deletes),
        )
        losses = [
            judge(statuses, stored.get(session_id, NOTHING))
            for judge, told in rounds
            for session_id, statuses in told.items()
        ]
        return sum(losses, Losses())

    async def _round(self, *moves: str) -> dict[str, list[int]]:
        """Make all moves at once; return the statuses of their answers by session. '' is the deletion."""
        made = await asyncio.gather(*(self._create() for _ in range(self._sessions)))
        told = await asyncio.gather(
            *(
                self._move(turn, f"sessions/{session_id}/{move}".rstrip("/"), "POST" if move else "DELETE")
                for session_id in made
                for turn, move in enumerate(moves)
            )
        )
        return {each: list(told[turn * len(moves) :][: len(moves)]) for turn, each in enumerate(made)}

    async def _create(self) -> str:
        """Return the id of a new session that every engine has; an engine that restarts is asked again."""
        async with asyncio.timeout(LONGEST_WAIT):
            while not (session_id := await self._created()):
                await asyncio.sleep(0.05)
            for turn in range(len(self._engines)):
                while not await self._is_seen(turn, session_id):
                    await asyncio.sleep(0.01)
        return session_id

    async def _created(self) -> str | None:
        with suppress(aiohttp.ClientError):
            async with self._http.post(f"{self._engines[0]}/players/player_1/sessions") as answer:
                if answer.status == 201:
                    return str((await answer.json())["sessionId"])
        return None

    async def _is_seen(self, turn: int, session_id: str) -> bool:
        """Return whether an engine has the session: a queued write of another engine may be under way."""
        with suppress(aiohttp.ClientError):
            async with self._http.get(f"{self._engines[turn]}/sessions/{session_id}") as answer:
                return answer.status == 200
        return False

    async def _move(self, turn: int, path: str, method: str) -> int:
        try:
            engine = self._engines[turn % len(self._engines)]
            async with self._http.request(method, f"{engine}/{path}") as answer:
                await answer.read()
        except aiohttp.ClientError:
            return FAILED
        await self._on_answer()
        return answer.status


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
    """Judge a session that two players completed at once: exactly one of them must get 200."""
    completions = told.count(200)
    is_completed = completions > 0 and session.get("completedAt")
    return Losses(doubled=int(completions > 1), errors=int(not is_completed))


def revived(told: Sequence[int], session: Session) -> Losses:
    """Judge a session that was deleted between moves: after 200 it is gone, and after 404 it is there."""
    deletion = told[0]
    is_there = session is not NOTHING and "encounter" in session
    is_wrong = deletion not in (200, 404) or (deletion == 404 and not is_there)
    return Losses(errors=int(is_wrong), revived=int(deletion == 200 and is_there))
