"""A session on the wire (contract: Session)."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, model_validator
from pydantic.alias_generators import to_camel

from .scalars import Identifier, JsonObject, Timestamp, format_timestamp

__all__ = ["Identifier", "JsonObject", "Session", "Timestamp", "format_timestamp"]


class Session(BaseModel):
    """One encounter of one player; any other top-level field is kept and comes back unchanged.

    In Python such fields are in `model_extra`. A session is built from wire names alone (`sessionId`), so that a
    plugin's field `completed_at` stays the plugin's. `"completed_at" in model_fields_set` tells a null
    `completedAt` from an absent one; dump with `exclude_unset=True` to get back the same fields.
    """

    model_config = ConfigDict(
        strict=True, frozen=True, extra="allow", alias_generator=to_camel, serialize_by_alias=True
    )

    session_id: Identifier
    player_id: Identifier
    encounter: JsonObject
    state: JsonObject
    started_at: Timestamp
    completed_at: Timestamp | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _keep_absent_apart(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """A plugin's field `completed_at` does not count as `completedAt` being set."""
        session = handler(value)
        extra = session.__pydantic_extra__
        if extra and "completed_at" in extra and isinstance(value, dict) and "completedAt" not in value:
            session.model_fields_set.discard("completed_at")
        return session
