"""The Python client: `async with SessionStore("amqp://…") as store: await store.write(session)`."""

from contracts.client.errors import (
    BadRequest,
    Closed,
    Conflict,
    Misconfigured,
    Rejected,
    SessionStoreError,
    TimedOut,
    TooLarge,
    Unavailable,
)
from contracts.client.store import Durability, SessionStore, Written

__all__ = [
    "BadRequest",
    "Closed",
    "Conflict",
    "Durability",
    "Misconfigured",
    "Rejected",
    "SessionStore",
    "SessionStoreError",
    "TimedOut",
    "TooLarge",
    "Unavailable",
    "Written",
]
