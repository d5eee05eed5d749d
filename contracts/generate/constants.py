"""The constants of a module as TypeScript, so that both languages have the same numbers and names."""

import json
from types import ModuleType
from typing import Final

MAX_SAFE_INTEGER: Final = 2**53 - 1
MAX_LINE: Final = 118
"""Of the formatter of TypeScript, which breaks a longer line after the sign of equality."""


def render_constants(module: ModuleType) -> str:
    """Return a TypeScript module that exports every constant of a Python module, in the same order.

    An integer that a JavaScript number cannot hold becomes a bigint.
    """
    source = module.__name__.replace(".", "/")
    head = f"// Generated from {source}.py, which explains each, by `python -m contracts.generate`. Do not edit.\n\n"
    return head + "".join(_export(name, _literal(value)) for name, value in constants_of(module).items())


def constants_of(module: ModuleType) -> dict[str, int | str]:
    """Return the public integers and texts of a module by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, int | str)
    }


def _export(name: str, literal: str) -> str:
    line = f"export const {name} = {literal}\n"
    return line if len(line) <= MAX_LINE + 1 else f"export const {name} =\n  {literal}\n"


def _literal(value: int | str) -> str:
    if isinstance(value, str):
        return "'" + json.dumps(value)[1:-1].replace("'", "\\'") + "'"
    return f"{value}n" if abs(value) > MAX_SAFE_INTEGER else str(value)
