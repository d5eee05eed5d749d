"""The house rules that no linter checks."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import sql

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("worker/", "contracts/", "sql/", "deploy/", "tests/")
TYPESCRIPT: Final = "contracts/typescript/"
LONGEST_FUNCTION: Final = 30
LONGEST_MODULE: Final = 250
MOST_ARGUMENTS: Final = 8
STATEMENTS: Final = ROOT / "sql" / "statements"
HOMES: Final = r"/(?:home|Users)/(?!linuxbrew/)[a-z]+/|/roo[t]/"
REGISTRIES: Final = r"(?:pypi|pythonhosted|npmjs|yarnpkg|crates|rubygems)\.(?:org|com|io)"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tracked_texts() -> dict[str, str]:
    """Return every text file that belongs to the project, by its path from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    texts = {}
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:
            texts[name] = content.decode(errors="replace")
    return texts


@cache
def modules() -> dict[str, ast.Module]:
    """Return every Python module of the project, parsed, by its path from the root."""
    return {
        name: ast.parse(text, name)
        for name, text in tracked_texts().items()
        if name.endswith(".py") and name.startswith(PACKAGES)
    }


def functions() -> Iterator[tuple[str, Function]]:
    """Yield every function with its location."""
    for path, module in modules().items():
        for node in ast.walk(module):
            if isinstance(node, Function):
                yield f"{path}:{node.lineno} {node.name}", node


def included(text: str) -> set[str]:
    """Return the statements that a statement includes."""
    return set(re.findall(r"^\\ir (\w+)\.sql$", text, re.MULTILINE))


def names_in_the_worker() -> Iterator[str]:
    """Yield a pattern for each string in the worker that may name a statement; an f-string fills in any word."""
    for path, module in modules().items():
        if path.startswith("worker/"):
            for node in ast.walk(module):
                match node:
                    case ast.Constant(value=str() as name):
                        yield re.escape(name)
                    case ast.JoinedStr(values=[ast.Constant(value=str() as head), *rest]):
                        yield re.escape(head) + "".join(map(_pattern_of, rest))


def _pattern_of(part: ast.expr) -> str:
    match part:
        case ast.Constant(value=str() as text):
            return re.escape(text)
    return r"\w+"


def statements_used() -> set[str]:
    """Return the statements that the worker names for any purpose, and those that they include."""
    pattern = re.compile("|".join(set(names_in_the_worker())))
    named = {path.stem for path in STATEMENTS.glob("*.sql") if pattern.fullmatch(path.stem)}
    return named.union(*(included((STATEMENTS / f"{name}.sql").read_text()) for name in named))


def test_no_function_is_longer_than_30_lines() -> None:
    lengths = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_no_module_is_longer_than_250_lines() -> None:
    sources = {name for name in tracked_texts() if name.endswith((".py", ".ts", ".mjs", ".js", ".sh"))}
    lengths = {path: len(tracked_texts()[path].splitlines()) for path in sources | modules().keys()}
    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_both_clients_have_the_same_module_for_the_same_subject() -> None:
    """TypeScript has more modules: the contract, the engine's interfaces, and parts of Python's libraries."""
    python = {path.stem for path in (ROOT / "contracts" / "client").glob("*.py")} - {"__init__", "tracing"}
    typescript = {path.stem for path in (ROOT / "contracts" / "typescript" / "src").glob("*.ts")}
    assert python - typescript == set()


def test_no_constructor_takes_more_than_8_arguments() -> None:
    counts = {
        name: len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]) - 1
        for name, node in functions()
        if node.name == "__init__"
    }
    assert {name: count for name, count in counts.items() if count > MOST_ARGUMENTS} == {}


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        path
        for path, module in modules().items()
        for node in ast.walk(module)
        if path.startswith(("worker/", "contracts/", "sql/")) and _reads_environment(node)
    }
    assert readers
    assert {path for path in readers if not path.startswith("worker/settings/")} == set()


def _reads_environment(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv"):
            return True
        case ast.ImportFrom(module="os", names=names):
            return any(name.name in ("environ", "environb", "getenv") for name in names)
    return False


def test_every_statement_is_used() -> None:
    assert {path.stem for path in STATEMENTS.glob("*.sql")} - statements_used() == set()


def test_every_statement_that_is_asked_for_by_name_exists() -> None:
    asked = {
        name
        for path, module in modules().items()
        for node in ast.walk(module)
        if path.startswith("worker/") and (name := _statement_in(node))
    }
    assert asked
    assert asked - {path.stem for path in STATEMENTS.glob("*.sql")} == set()


def _statement_in(node: ast.AST) -> str | None:
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="sql"), attr="statement"),
            args=[ast.Constant(value=str() as name)],
        ):
            return name
    return None


@pytest.mark.parametrize("name", sorted(path.stem for path in STATEMENTS.glob("*.sql")))
def test_every_statement_can_be_read(name: str) -> None:
    assert "\\ir" not in sql.statement(name)


@pytest.mark.parametrize("pattern", [HOMES, REGISTRIES], ids=["home directories", "package registries"])
def test_no_file_names_a_place_outside_the_project(pattern: str) -> None:
    found = {name: re.findall(pattern, text) for name, text in tracked_texts().items()}
    assert {name: hits for name, hits in found.items() if hits} == {}
