import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.generate import __main__ as generate
from contracts.generate.asyncapi import build_document
from contracts.generate.schemas import build_schemas
from contracts.outcomes import DeadLetterCode, Outcome
from contracts.scalars import Identifier, format_timestamp
from contracts.topology import Topology

Node = dict[str, Any]

SCHEMAS = build_schemas()
DOCUMENT: Node = build_document()


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def resolve(document: Node, reference: str) -> object:
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def session_schema() -> Node:
    properties: Node = SCHEMAS["session"]["properties"]
    return properties


def test_the_committed_documents_are_those_of_the_models() -> None:
    assert generate.find_drift(generate.CONTRACTS, generate.render()) == []
    assert generate.main(["--check"]) == 0


def test_a_difference_is_named_and_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main([], tmp_path) == 0
    (tmp_path / "schemas" / "event.json").write_text("{}")
    (tmp_path / "schemas" / "stranger.json").write_text("{}")
    (tmp_path / "asyncapi.yaml").unlink()
    capsys.readouterr()
    assert generate.main(["--check"], tmp_path) == 1
    named = re.findall(r"contracts/(\S+) differs", capsys.readouterr().err)
    assert named == ["asyncapi.yaml", "schemas/event.json", "schemas/stranger.json"]


def test_writing_again_repairs_and_then_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate.main([], tmp_path)
    (tmp_path / "schemas" / "stranger.json").write_text("{}")
    generate.main([], tmp_path)
    assert not (tmp_path / "schemas" / "stranger.json").exists()
    capsys.readouterr()
    generate.main([], tmp_path)
    assert capsys.readouterr().out == "nothing changed\n"


def test_the_documents_are_the_same_at_every_call() -> None:
    assert generate.render() == generate.render()


yaml_keys = st.text("abnoy0 :#-$.", min_size=1, max_size=12)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text("abnoy0 :#-$.", min_size=1, max_size=12), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_what_is_written_as_yaml_is_read_as_the_same_value(value: object) -> None:
    assert yaml.safe_load(generate.render_yaml(value)) == value


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_names_its_dialect_and_refers_only_to_what_is_in_it(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"]
    for reference in references(schema):
        assert reference.startswith("#/$defs/")
        assert resolve(schema, reference)


def test_schemas_speak_of_the_wire_and_not_of_python() -> None:
    text = json.dumps(SCHEMAS)
    for word in ("model_extra", "model_fields_set", "session_id", "In Python", '"default": null'):
        assert word not in text


def test_the_schema_of_an_event_holds_the_rules_of_its_envelope() -> None:
    write: Node = SCHEMAS["event"]["$defs"]["WriteEvent"]
    assert write["required"] == ["specversion", "id", "source", "subject", "type", "data"]
    assert write["properties"]["type"]["const"] == "session.write"
    assert write["properties"]["specversion"]["const"] == "1.0"
    content: Node = SCHEMAS["event"]["$defs"]["WriteContent"]["properties"]
    assert content["revision"] == {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}
    expected, null = content["expectedRevision"]["anyOf"]
    assert (expected["minimum"], expected["maximum"], null) == (0, 2**53 - 1, {"type": "null"})


def test_the_schema_of_a_session_lets_other_fields_through() -> None:
    assert SCHEMAS["session"]["additionalProperties"] is True
    assert SCHEMAS["session"]["required"] == ["sessionId", "playerId", "encounter", "state", "startedAt"]
    assert {"type": "null"} in session_schema()["completedAt"]["anyOf"]


def test_schemas_of_parameters_refuse_what_is_unknown() -> None:
    for name in SCHEMAS:
        if name.endswith(".params"):
            assert SCHEMAS[name]["additionalProperties"] is False
    inner = SCHEMAS["session.query.params"]["$defs"]
    assert inner["Filter"]["additionalProperties"] is inner["QueryOptions"]["additionalProperties"] is False
    assert inner["QueryOptions"]["properties"]["limit"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1_000,
        "default": 100,
    }
    assert inner["QueryOptions"]["not"]["required"] == ["offset", "cursor"]


def test_schemas_list_every_outcome_and_every_code() -> None:
    definitions = SCHEMAS["confirmation"]["$defs"]
    assert definitions["Outcome"]["enum"] == [outcome.value for outcome in Outcome]
    assert definitions["DeadLetterCode"]["enum"] == [code.value for code in DeadLetterCode]


@given(st.text(max_size=300) | st.sampled_from(["", "x" * 255, "x" * 256, "a\x85", "a\x7fb"]))
def test_the_schema_of_an_identifier_accepts_what_the_model_accepts(text: str) -> None:
    rule = session_schema()["sessionId"]
    by_schema = (
        rule["minLength"] <= len(text) <= rule["maxLength"]
        and re.fullmatch(rule["pattern"], text) is not None
        and not any("\ud800" <= character <= "\udfff" for character in text)
    )
    try:
        TypeAdapter(Identifier).validate_python(text)
    except ValidationError:
        assert not by_schema
    else:
        assert by_schema


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_schema_of_a_timestamp_accepts_what_is_written(moment: datetime) -> None:
    assert re.fullmatch(session_schema()["startedAt"]["pattern"], format_timestamp(moment))


def test_the_asyncapi_document_refers_only_to_what_is_in_it() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    for reference in references(DOCUMENT):
        assert resolve(DOCUMENT, reference)


def test_every_operation_uses_messages_of_its_own_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        for side in (operation, operation.get("reply", operation)):
            prefix = side["channel"]["$ref"] + "/messages/"
            assert all(message["$ref"].startswith(prefix) for message in side["messages"])


def test_every_message_is_on_a_channel_and_every_channel_in_an_operation() -> None:
    carried = {name for channel in DOCUMENT["channels"].values() for name in channel["messages"]}
    assert carried == set(DOCUMENT["components"]["messages"])
    used = {reference.split("/")[2] for reference in references(DOCUMENT["operations"])}
    assert used == set(DOCUMENT["channels"])


def test_the_asyncapi_document_declares_every_queue_as_the_topology_does() -> None:
    declared = {
        channel["x-queue"]["name"]: channel["x-queue"]
        for channel in DOCUMENT["channels"].values()
        if "x-queue" in channel
    }
    assert declared.keys() == {queue.name for queue in Topology().queues}
    for queue in Topology().queues:
        assert declared[queue.name]["bindingKey"] == queue.binding_key
        assert declared[queue.name]["arguments"] == queue.arguments
    exchanges = {
        channel["bindings"]["amqp"]["exchange"]["name"]
        for channel in DOCUMENT["channels"].values()
        if "bindings" in channel
    }
    assert exchanges == {exchange.name for exchange in Topology().exchanges}
