"""The base of all messages."""

from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

Kind = TypeVar("Kind")


class Message(BaseModel):
    """An immutable value with strict types and camelCase names on the wire; unknown fields are ignored."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", alias_generator=to_camel, serialize_by_alias=True
    )


class _NeverNull:
    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        return schema["schema"] if schema["type"] == "nullable" else schema


_NEVER_NULL: Final = _NeverNull()

Omissible = Annotated[Kind | None, _NEVER_NULL]
"""A field that may be absent (None in Python) and is never null on the wire."""
