"""The Python client: `async with SessionStore("amqp://…") as store: await store.write(session)`."""

from ..changes import SessionDeleted, SessionStored
from ..replies import HealthResult, QueryResult, Receipt, Record, StatsResult
from ..requests import Filter, QueryOptions
from ..session import Session
from .changes import Gap
from .errors import (
    BadRequest,
    Closed,
    Conflict,
    Misconfigured,
    NotFound,
    Rejected,
    ReplyUnverified,
    SessionStoreError,
    SignatureRefused,
    TimedOut,
    TooLarge,
    Unavailable,
)
from .events import Durability, WriteResult
from .merge import Collided, Merged, merge_sessions
from .store import SessionStore
from .updates import UpdateResult

__all__ = [
    "BadRequest",
    "Closed",
    "Collided",
    "Conflict",
    "Durability",
    "Filter",
    "Gap",
    "HealthResult",
    "Merged",
    "Misconfigured",
    "NotFound",
    "QueryOptions",
    "QueryResult",
    "Receipt",
    "Record",
    "Rejected",
    "ReplyUnverified",
    "Session",
    "SessionDeleted",
    "SessionStore",
    "SessionStoreError",
    "SessionStored",
    "SignatureRefused",
    "StatsResult",
    "TimedOut",
    "TooLarge",
    "Unavailable",
    "UpdateResult",
    "WriteResult",
    "merge_sessions",
]
