"""The run book lists every event of the log, and no other."""

import ast
import re
from typing import Final

from deploy.local.instance import PROJECT
from tests.unit.test_house import modules

LEVELS: Final = ("debug", "info", "warning", "error", "exception", "critical")
HEADING: Final = "## Log events\n"
BY_THE_STREAM: Final = {"log.lines_dropped"}
"""Events that the stream behind the loggers writes itself."""


def logged() -> set[str]:
    """Return the names of the events that the worker writes: the first argument of each call of a logger."""
    calls = (
        node
        for path, module in modules().items()
        if path.startswith("worker/")
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS
    )
    names = (name for call in calls if call.args for name in ast.walk(call.args[0]))
    return {str(name.value) for name in names if isinstance(name, ast.Constant) and "." in str(name.value)}


def listed() -> set[str]:
    """Return the names in the first column of the run book's table."""
    page = (PROJECT / "docs" / "runbook.md").read_text()
    section = page.partition(HEADING)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([a-z_.]+)`", row)}


def test_the_run_book_has_each_event_of_the_log() -> None:
    assert len(logged()) > 30
    assert listed() == logged() | BY_THE_STREAM
