"""Calls to the database that nobody cancels: the driver cancels by asking the server (MagicStack/asyncpg#1326)."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def uncancelled(call: Coroutine[Any, Any, T]) -> T:
    """Return the result of a call; a cancellation ends the wait, and the call ends by itself.

    Nobody needs the error of a call that nobody waits for; asyncio would log it.
    """
    task = asyncio.ensure_future(call)
    task.add_done_callback(_take_error)
    return await asyncio.shield(task)


def _take_error(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled():
        task.exception()
