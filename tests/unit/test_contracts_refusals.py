import pytest
from hypothesis import given
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.events import EVENT
from contracts.limits import MAX_ECHO
from contracts.refusals import MAX_EXPLAINED, describe, echo, explain
from contracts.requests import parse_params
from tests.support.events.strategies import values


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x", '"x"'),
        ("a\0\n\x7f…", '"a\\u0000\\n\\u007f\\u2026"'),
        (None, "null"),
        (True, "true"),
        (5, "5"),
        (1.5, "1.5"),
        ({"secret": 1}, "an object"),
        ([1, 2], "an array"),
        (b"x", "bytes"),
    ],
)
def test_a_refused_value_is_repeated_in_printable_ascii(value: object, said: str) -> None:
    assert echo(value) == said


@given(values)
def test_no_more_than_80_characters_of_a_value_are_repeated(value: object) -> None:
    assert len(echo(value)) <= MAX_ECHO
    assert echo(value).isascii()
    assert echo(value).isprintable()


def test_a_long_value_is_cut() -> None:
    assert echo("x" * 1_000_000) == '"' + "x" * 76 + "..."


def test_a_sentence_stays_short_however_long_the_value() -> None:
    event = {"specversion": "x" * 10_000, "type": "session.delete"}
    with pytest.raises(ValidationError) as caught:
        EVENT.validate_python(event)
    assert len(describe(caught.value)) < 250


def test_a_long_unknown_name_is_cut() -> None:
    with pytest.raises(ValidationError) as caught:
        parse_params("session.read", {"sessionId": "a", "x" * 10_000: 1})
    assert describe(caught.value) == "x" * 77 + "... is unknown"


def test_each_wrong_field_is_explained_once_and_in_order() -> None:
    options = {"limit": 0, "sortOrder": "up", "what": 1}
    with pytest.raises(ValidationError) as caught:
        parse_params("session.query", {"options": options})
    assert explain(caught.value) == {
        "options.sortOrder": "options.sortOrder must be 'asc' or 'desc' (got \"up\")",
        "options.limit": "options.limit must be at least 1 (got 0)",
        "options.what": "options.what is unknown",
    }


def test_no_more_than_100_fields_are_explained() -> None:
    with pytest.raises(ValidationError) as caught:
        Strict.model_validate({f"field_{number}": 1 for number in range(1_000)})
    assert len(explain(caught.value)) == MAX_EXPLAINED


@pytest.mark.parametrize(
    ("method", "params", "said"),
    [
        ("session.readMany", {"sessionIds": []}, "sessionIds must have at least 1 entry"),
        ("session.readMany", {"sessionIds": ["a"] * 1_001}, "sessionIds must have at most 1000 entries"),
        ("session.readMany", {"sessionIds": "a"}, 'sessionIds must be an array (got "a")'),
        (
            "session.query",
            {"options": {"offset": 10**12}},
            "options.offset must be at most 10000 (got 1000000000000)",
        ),
        ("session.query", {"options": {"limit": "all"}}, 'options.limit must be an integer (got "all")'),
        (
            "session.query",
            {"options": {"cursor": "a", "offset": 0}},
            "options must not have both an offset and a cursor",
        ),
        ("session.count", {"filter": {"completed": 1}}, "filter.completed must be true or false (got 1)"),
        (
            "session.count",
            {"filter": {"difficulty": "\0"}},
            "filter.difficulty must not contain the character U+0000",
        ),
        (
            "session.count",
            {"filter": {"difficulty": "x" * 256}},
            "filter.difficulty must have at most 255 characters",
        ),
        ("session.count", ["a"], "must be an object"),
    ],
)
def test_every_rule_is_told_in_plain_words(method: str, params: object, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_params(method, params)
    assert describe(caught.value).startswith(said)
