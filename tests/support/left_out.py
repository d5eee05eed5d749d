"""The tests that `make test` leaves out: `python -m tests.support.left_out` lists them in tests/README.md."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from deploy.local.instance import PROJECT
from tests.support.examples import EXAMPLES

TESTS: Final = PROJECT / "tests"
PAGE: Final = TESTS / "README.md"
BEGIN: Final = "<!-- python -m tests.support.left_out -->\n"
END: Final = "<!-- end -->\n"


class LeftOut(NamedTuple):
    """A test module, a test or one of its parameters, with the reason why a change need not wait for it."""

    path: str
    what: str
    why: str


def left_out() -> list[LeftOut]:
    """Return everything that is marked `long`, by file."""
    paths = sorted(TESTS.rglob("test_*.py"))
    return [each for path in paths for each in _marked_in(path)]


def table() -> str:
    """Return the lists of the page."""
    rows = [f"| `{each.path}` | {each.what} | {each.why} |" for each in left_out()]
    counts = ", ".join(f"{count} in the profile `{name}`" for name, count in EXAMPLES.items())
    return "\n".join(
        [
            "| file | left out | why |",
            "| --- | --- | --- |",
            *rows,
            "",
            f"Examples of a Hypothesis test that does not say otherwise: {counts}.",
            "",
        ]
    )


def page_with(lists: str) -> str:
    """Return the page with these lists in place of those it has."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return head + BEGIN + lists + END + rest.partition(END)[2]


def _marked_in(path: Path) -> Iterator[LeftOut]:
    """Yield the marked parts of a module: itself, a test, or a parameter of a test or of a fixture."""
    name = str(path.relative_to(TESTS))
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        for node in ast.walk(statement):
            match node:
                case ast.Call(func=ast.Name(id="long"), args=[ast.Constant(value=str() as why)]):
                    yield LeftOut(name, _what(statement, node), why)


def _what(statement: ast.stmt, mark: ast.Call) -> str:
    subject = _subject(statement)
    for node in ast.walk(statement):
        match node:
            case ast.Call(func=ast.Attribute(attr="param"), args=[ast.Constant(value=value)], keywords=words):
                if any(word.value is mark for word in words):
                    return f"{subject} with `{value!r}`"
    return subject


def _subject(statement: ast.stmt) -> str:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return f"`{name}`"
        case ast.Assign(targets=[ast.Name(id=name)]) if name != "pytestmark":
            return f"parameters in `{name}`"
    return "all"


if __name__ == "__main__":
    PAGE.write_text(page_with(table()), encoding="utf-8")
