"""Helpers that the tests of the changes feed share."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from contracts.client import Gap, SessionDeleted, SessionStore, SessionStored
from tests.support.programs.installation import Variables

Follow = AsyncGenerator[SessionStored | SessionDeleted | Gap, None]
Announce = Callable[[str, int], Awaitable[None]]
ON = {"SESSION_STORE_CHANGES_FEED": "true"}


def open_store(installation: Variables, url: str | None = None) -> SessionStore:
    return SessionStore(
        url or installation["AMQP_URL"], prefix=installation["SESSION_STORE_PREFIX"], timeout=20
    )


async def take(changes: Follow, number: int) -> list[Any]:
    """Return the next `number` changes."""
    async with asyncio.timeout(30):
        return [await anext(changes) for _ in range(number)]
