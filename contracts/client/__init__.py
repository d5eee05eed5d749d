"""The Python client: `async with SessionStore("amqp://…") as store: await store.write(session)`."""

from contracts.changes import SessionDeleted, SessionStored
from contracts.client.changes import Gap
from contracts.client.errors import (
    BadRequest,
    Closed,
    Conflict,
    Distrusted,
    Misconfigured,
    Rejected,
    SessionStoreError,
    TimedOut,
    TooLarge,
    Unavailable,
    Untrusted,
)
from contracts.client.store import SessionStore
from contracts.client.written import Durability, Written

__all__ = [
    "BadRequest",
    "Closed",
    "Conflict",
    "Distrusted",
    "Durability",
    "Gap",
    "Misconfigured",
    "Rejected",
    "SessionDeleted",
    "SessionStore",
    "SessionStoreError",
    "SessionStored",
    "TimedOut",
    "TooLarge",
    "Unavailable",
    "Untrusted",
    "Written",
]
