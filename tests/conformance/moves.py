"""The steps of the cases with overlapping calls on one session."""

import asyncio
from typing import Any, Final

from contracts.client import NotFound, SessionStore
from contracts.client.updates import ChangeSession, EditableSession, UpdateResult

COMPLETED: Final = "2025-11-07T11:00:00.000Z"
CALLS: Final = ("moves", "complete", "deleteAmid")
Step = dict[str, Any]


class AlreadyCompleted(Exception):
    """Another player completed the session."""


async def overlap(store: SessionStore, step: Step) -> None:
    """Make the step's calls at once, and compare the results with the stored session."""
    match step["call"]:
        case "moves":
            assert len(await asyncio.gather(*_moves(store, step))) == step["told"]
        case "complete":
            completions = (store.update(step["id"], _complete) for _ in range(step["times"]))
            results = await asyncio.gather(*completions, return_exceptions=True)
            assert _told(results, AlreadyCompleted) == step["told"]
        case _:
            await _delete_amid(store, step)


async def _delete_amid(store: SessionStore, step: Step) -> None:
    """Delete a session between moves: it is gone if the delete found it, else it has all successful moves."""
    moves = _moves(store, step)
    deletion = asyncio.ensure_future(store.delete(step["id"]))
    told = _told(await asyncio.gather(*moves, return_exceptions=True), NotFound)
    deleted = await deletion
    record = await store.read(step["id"])
    assert (record is None) is deleted.existed
    assert record is None or record.session.state["count"] == told


def _moves(store: SessionStore, step: Step) -> list[asyncio.Task[UpdateResult]]:
    return [asyncio.ensure_future(store.update(step["id"], _move(name))) for name in step["names"]]


def _move(name: str) -> ChangeSession:
    def move(session: EditableSession) -> None:
        session["state"]["count"] += 1
        session["state"][name] = True

    return move


def _complete(session: EditableSession) -> None:
    if "completedAt" in session:
        raise AlreadyCompleted
    session["completedAt"] = COMPLETED


def _told(results: list[UpdateResult | BaseException], other: type[Exception]) -> int:
    """Return how many calls succeeded; each of the others must have raised `other`."""
    failed = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(result, other) for result in failed), failed
    return len(results) - len(failed)
