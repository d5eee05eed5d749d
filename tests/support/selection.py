"""Which tests a run has, on which layouts of the sessions, and in which order.

`make test` leaves out what is marked `long`, and what is only the same again on the other layout; `make test-all`
runs everything.
"""

from collections.abc import Sequence
from typing import Final

import pytest

from tests.support.servers.layouts import BOTH, CHOSEN_LAYOUT, LAYOUTS

long = pytest.mark.long
"""Marks a test to be run by `make test-all` alone, and says why: `@long("three nodes take a while to start")`."""
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
    """Return the layouts that a test with a database runs on; none when the run's own layout is all."""
    if "layout" not in test.fixturenames:
        return ()
    if test.get_closest_marker("on_plain_layout"):
        return ("plain",)
    if test.get_closest_marker("on_both_layouts") or CHOSEN_LAYOUT == BOTH:
        return LAYOUTS
    return ()


def order(items: list[pytest.Item]) -> None:
    """Sort tests by their suites; within a suite they stay as they were."""
    ranks = {suite: rank for rank, suite in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.split("/")[1], 0))
