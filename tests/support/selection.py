"""The tests of a run, the layouts of the sessions that they run on, and their order.

`make test` leaves out tests marked `long`, and tests repeated on the other layout. `make test-all` runs all.
"""

from collections.abc import Sequence
from typing import Final

import pytest

from tests.support.servers.layouts import BOTH, CHOSEN_LAYOUT, LAYOUTS

long = pytest.mark.long
"""Marks a test that only `make test-all` runs, and why: `@long("three nodes take a while to start")`."""
SLOWEST_FIRST: Final = (
    "faults",
    "engine",
    "acceptance",
    "conformance",
    "typescript",
    "escapes",
    "integration",
    "deploy",
    "unit",
)
"""Suites by how long one of their files takes: two processes end together when the short files come last."""


def on_which_layouts(test: pytest.Function) -> Sequence[str]:
    """Return the layouts that a test with a database runs on; none if it is the run's own layout alone."""
    if "layout" not in test.fixturenames:
        return ()
    if only := test.get_closest_marker("on_layout"):
        return only.args
    if test.get_closest_marker("on_both_layouts") or CHOSEN_LAYOUT == BOTH:
        return LAYOUTS
    return ()


def order(items: list[pytest.Item]) -> None:
    """Sort tests by their suites; within a suite they keep their order."""
    ranks = {suite: rank for rank, suite in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.split("/")[1], 0))
