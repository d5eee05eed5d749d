"""The parts of the suite that run on each kind of servers, and the page with their results."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from deploy.local.instance import PROJECT

PAGE: Final = PROJECT / "docs" / "versions.md"
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"

WHOLE_SUITE: Final = "whole suite"
INTEGRATION, FAULTS, ACCEPTANCE = "tests/integration", "tests/faults", "tests/acceptance"
PARTS: Final = {
    "order law": (
        f"{INTEGRATION}/test_order_law.py",
        f"{INTEGRATION}/test_interleavings.py",
        f"{INTEGRATION}/test_batches.py",
    ),
    "dead letters": (
        f"{INTEGRATION}/test_dead_letters.py",
        f"{INTEGRATION}/test_dead_letters_are_kept.py",
        f"{ACCEPTANCE}/test_dead_commands.py",
    ),
    "changes feed": (f"{INTEGRATION}/changes", f"{FAULTS}/test_feed.py", f"{FAULTS}/test_feed_faults.py"),
    "erasure": (f"{ACCEPTANCE}/test_erasing.py", f"{INTEGRATION}/test_erasures.py"),
    "topology": (f"{INTEGRATION}/test_topology.py", f"{INTEGRATION}/test_topology_upgrade.py"),
    "cluster": (f"{FAULTS}/test_cluster_faults.py",),
    "rolling restarts": (f"{FAULTS}/test_rolling.py",),
    "upgrade": (f"{FAULTS}/test_upgrade.py", f"{INTEGRATION}/test_migrations.py"),
    "logins": ("tests/escapes",),
    "roles": (f"{INTEGRATION}/test_roles.py", f"{INTEGRATION}/test_roles_command.py"),
    "doctor": (
        f"{INTEGRATION}/test_doctor_broker.py",
        f"{INTEGRATION}/test_doctor_database.py",
        f"{ACCEPTANCE}/test_doctor_command.py",
    ),
    "clients": ("tests/conformance", "tests/typescript"),
    WHOLE_SUITE: ("tests", "-m", "not long"),
}
"""The arguments of pytest for each part. The whole suite has the tests of `make test`."""
HEAD: Final = ["servers", "RabbitMQ", "PostgreSQL", "Python", *PARTS]
FIRST_PART: Final = len(HEAD) - len(PARTS)
QUICK: Final = {
    "dead letters": (
        f"{INTEGRATION}/test_dead_letters_are_kept.py",
        f"{ACCEPTANCE}/test_dead_commands.py::"
        "test_what_the_broker_dead_lettered_is_shown_with_its_code_and_replayed",
    ),
    "changes feed": (
        f"{INTEGRATION}/changes/test_following.py",
        f"{FAULTS}/test_feed_faults.py::test_a_broker_that_goes_and_comes_back_leaves_nothing_untold[kill]",
    ),
    "erasure": (f"{ACCEPTANCE}/test_erasing.py",),
    "topology": PARTS["topology"],
    "cluster": (
        f"{FAULTS}/test_cluster_faults.py::test_a_node_killed_under_load_costs_no_event",
        f"{FAULTS}/test_cluster_faults.py::test_events_are_stored_and_requests_answered_while_a_node_is_down",
    ),
    "rolling restarts": PARTS["rolling restarts"],
    "logins": ("tests/escapes/test_work.py", "tests/escapes/test_broker.py"),
}
"""The tests of each part that every change must pass on the newest broker."""
DATABASE_PARTS: Final = ("order law", "erasure", "upgrade", "roles")
BROKER_PARTS: Final = (
    "dead letters",
    "erasure",
    "changes feed",
    "topology",
    "cluster",
    "rolling restarts",
    "logins",
)


@dataclass(frozen=True, slots=True)
class Combination:
    """Servers to run parts on: those of a Debian with its Python, or this machine's with one replaced.

    `suite` is a Debian: everything runs in its tree. `rabbitmq` is a Debian whose broker is used from here,
    and `postgres` a PostgreSQL of `tests.versions.postgres`. Servers without a name are this machine's.
    """

    name: str
    parts: tuple[str, ...]
    suite: str = ""
    rabbitmq: str = ""
    postgres: str = ""

    @property
    def slug(self) -> str:
        """The name in the form of file names."""
        return self.name.replace(" ", "-").lower()


COMBINATIONS: Final = (
    Combination("this machine", (WHOLE_SUITE,)),
    Combination("Debian 13", tuple(PARTS), suite="trixie"),
    Combination("Debian testing", tuple(PARTS), suite="forky"),
    *(
        Combination(f"PostgreSQL {major}", DATABASE_PARTS, postgres=major)
        for major in ("12", "13", "14", "16")
    ),
    Combination("RabbitMQ of Debian 13", BROKER_PARTS, rabbitmq="trixie"),
    Combination("newest RabbitMQ", BROKER_PARTS, rabbitmq="forky"),
)


class Versions(NamedTuple):
    """The versions of the three programs, as they report them."""

    rabbitmq: str
    postgres: str
    python: str


class Cell(NamedTuple):
    """The numbers of a part's tests that passed, failed and were skipped."""

    passed: int
    failed: int
    skipped: int

    def __str__(self) -> str:
        """Return the cell of the page."""
        if self.failed:
            return f"**{self.failed} failed**"
        return f"{self.passed}" + (f" ({self.skipped} skipped)" if self.skipped else "")


def read_cell(report: Path) -> Cell:
    """Return the counts of a JUnit report of pytest; a run without a report has failed."""
    if not report.exists():
        return Cell(0, 1, 0)
    suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314 - pytest wrote it
    counts = [
        {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
        for suite in suites
    ]
    tests, skipped = sum(each["tests"] for each in counts), sum(each["skipped"] for each in counts)
    failed = sum(each["failures"] + each["errors"] for each in counts)
    return Cell(tests - failed - skipped, failed, skipped)


def write_page(combination: Combination, versions: Versions, cells: Mapping[str, Cell]) -> None:
    """Put these cells into the row of the servers; the page keeps all other results.

    Results of other versions of the same servers are removed: their parts were not run on these.
    """
    before, _, rest = PAGE.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    kept = {row[0]: row for row in map(_cells_of, table.splitlines()) if row}
    rows = [_row(each, kept.get(each.name)) for each in COMBINATIONS]
    changed = next(row for row in rows if row[0] == combination.name)
    if changed[1:FIRST_PART] != [*versions]:
        changed[:] = _row(combination, [combination.name, *versions])
    for part, cell in cells.items():
        changed[FIRST_PART + list(PARTS).index(part)] = str(cell)
    lines = ["| " + " | ".join(row) + " |" for row in (HEAD, ["---"] * len(HEAD), *rows)]
    PAGE.write_text(before + "\n".join((BEGIN, *lines, END)) + after)


def _cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []


def _row(combination: Combination, kept: list[str] | None) -> list[str]:
    """Return a row: without a result, a part of the combination is "not run", and another part is empty."""
    known = kept or [combination.name]
    row = known + [""] * (len(HEAD) - len(known))
    for number, part in enumerate(PARTS, FIRST_PART):
        if part in combination.parts and not row[number]:
            row[number] = "not run"
    return row
