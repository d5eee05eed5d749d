"""The JSON Schemas (2020-12) of every message, made from the models."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from ..changes import Change
from ..dead_letters import DeadLetterHeaders
from ..events import DeleteEvent, EraseEvent, Event, WriteEvent
from ..faults import FieldFault, RpcError
from ..replies import RESULTS, Answer, Confirmation, Failure, Record
from ..requests import PARAMS, Request
from ..session import Session

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
PYTHON_ONLY: Final = "In Python "

MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "session": Session,
    "record": Record,
    "confirmation": Confirmation,
    "dead-letter-headers": DeadLetterHeaders,
    "request": Request,
    "answer": Answer,
    "failure": Failure,
    "error": RpcError,
    "field-fault": FieldFault,
    **{f"{method}.params": model for method, model in PARAMS.items()},
    **{f"{method}.result": model for method, model in RESULTS.items()},
}


class WireSchema(GenerateJsonSchema):
    """The schema of the wire, without the parts that concern Python: no titles of fields, no defaults of null."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Return False: a name is title enough."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema without a default of null: absent and null are two things."""
        said = super().default_schema(schema)
        if said.get("default", ...) is None:
            del said["default"]
        return said

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Return the alternatives; JSON Schema has no keyword for OpenAPI's `discriminator`."""
        said = super().tagged_union_schema(schema)
        said.pop("discriminator", None)
        return said


def build_schemas() -> dict[str, JsonSchemaValue]:
    """Return each schema by the name of its file, without `.json`."""
    adapter: TypeAdapter[WriteEvent | DeleteEvent | EraseEvent] = TypeAdapter(Event)
    event = {"title": "Event", **adapter.json_schema(schema_generator=WireSchema)}
    models = {name: model.model_json_schema(schema_generator=WireSchema) for name, model in MODELS.items()}
    change = {"title": "Change", **TypeAdapter[object](Change).json_schema(schema_generator=WireSchema)}
    every = {"event": event, "change": change, **models}
    return {name: {"$schema": DIALECT, **_describe(schema)} for name, schema in every.items()}


def build_definitions(models: Sequence[type[BaseModel]], template: str) -> dict[str, JsonSchemaValue]:
    """Return the schemas of these models and of all they need, by name, linked by the template."""
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]]
    wanted = [(model, "validation") for model in models]
    _, document = models_json_schema(wanted, ref_template=template, schema_generator=WireSchema)
    return _describe(document["$defs"])


def _describe(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return the schema without the paragraphs that help readers of the Python code alone."""
    return {
        name: _description(value) if name == "description" else _inside(value)
        for name, value in schema.items()
    }


def _inside(value: object) -> object:
    match value:
        case dict():
            return _describe(value)
        case list():
            return [_inside(item) for item in value]
        case _:
            return value


def _description(value: object) -> object:
    if not isinstance(value, str):
        return _inside(value)
    paragraphs = value.split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs if not each.startswith(PYTHON_ONLY))
