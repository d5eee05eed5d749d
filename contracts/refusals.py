"""The code and the sentence of a refused message: the code is for programs, the sentence for people.

Of several faults the same one is always reported. A message of the wrong shape (a field missing or of the wrong
type: `bad_schema`) comes first: its publisher does not speak this contract, and its values mean little.
Otherwise it is the first wrong value in the order of the model's fields, the envelope before the content.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .limits import MAX_ECHO
from .outcomes import DeadLetterCode
from .topology import DELETE_KEY, WRITE_KEY

MAX_EXPLAINED: Final = 100  # fields: an answer stays small, however wrong the question is

_CODES: Final = frozenset(code.value for code in DeadLetterCode)
_TAGS: Final = frozenset((WRITE_KEY, DELETE_KEY))
_SILENT: Final = frozenset(("missing", "extra_forbidden", "union_tag_not_found"))
_OF_TYPE: Final = ("_type", "is_instance_of")
_RULES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is unknown",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must not contain the character U+0000",
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "list_type": "must be an array",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "is_instance_of": "must be an object",
    "union_tag_not_found": "type is missing",
    "union_tag_invalid": f"type must be {WRITE_KEY} or {DELETE_KEY}",
}


def code_of(error: ValidationError) -> DeadLetterCode:
    """Return the code with which a message with these errors is dead-lettered."""
    return _code(_choose(error))


def describe(error: ValidationError) -> str:
    """Return one sentence: the field, the rule it breaks, and at most 80 characters of its value."""
    return sentence(_choose(error))


def explain(error: ValidationError) -> dict[str, str]:
    """Return one sentence for each wrong field (the first 100), by its path, in the order of the fields."""
    said: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        if len(said) < MAX_EXPLAINED:
            said.setdefault(path_of(detail["loc"]), sentence(detail))
    return said


def sentence(detail: ErrorDetails) -> str:
    """Return one error as a sentence: field, rule and, where it helps, the value that broke the rule."""
    path = path_of(detail["loc"])
    said = f"{path} {rule_of(detail)}".lstrip()
    return f"{said} (got {echo(detail['input'])})" if path and _tells(detail) else said


def _tells(detail: ErrorDetails) -> bool:
    if isinstance(detail["input"], dict | list):
        return detail["type"].endswith(_OF_TYPE)
    return detail["type"] not in _SILENT


def rule_of(detail: ErrorDetails) -> str:
    """Return the broken rule, as the end of a sentence that begins with the field."""
    match detail["type"]:
        case "literal_error" | "enum":
            return f"must be {detail['ctx']['expected']}"
        case "string_too_long":
            return f"must have at most {detail['ctx']['max_length']} characters"
        case "too_long":
            return f"must have at most {detail['ctx']['max_length']} entries"
        case "too_short":
            return f"must have at least {detail['ctx']['min_length']} entry"
        case "greater_than_equal":
            return f"must be at least {detail['ctx']['ge']}"
        case "less_than_equal":
            return f"must be at most {detail['ctx']['le']}"
        case known if known in _RULES:
            return _RULES[known]
        case _:
            return detail["msg"]


def path_of(location: Sequence[int | str]) -> str:
    """Return the place of an error in the message, as `data.session.startedAt`; empty for the message itself."""
    parts = location[1:] if location and location[0] in _TAGS else location
    return _shorten(".".join(str(part) for part in parts))


def echo(value: object) -> str:
    """Return an invalid value in at most 80 ASCII characters; of an object or array only which of them it is."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            return _shorten(json.dumps(value[:MAX_ECHO]))
        case None | bool() | int() | float():
            return _shorten(json.dumps(value))
        case _:
            return type(value).__name__


def _choose(error: ValidationError) -> ErrorDetails:
    details = error.errors(include_url=False)
    return next((each for each in details if _code(each) is DeadLetterCode.BAD_SCHEMA), details[0])


def _code(detail: ErrorDetails) -> DeadLetterCode:
    return DeadLetterCode(detail["type"]) if detail["type"] in _CODES else DeadLetterCode.BAD_SCHEMA


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_ECHO else text[: MAX_ECHO - 3] + "..."
