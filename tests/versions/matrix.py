"""Which parts of the suite run on which servers, and the page that says how they went."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from deploy.local.instance import PROJECT
from tests.versions.trees import PLACE

PAGE: Final = PROJECT / "docs" / "versions.md"
RESULTS: Final = PLACE / "results.json"
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"

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
    "roles": (f"{INTEGRATION}/test_roles.py", f"{INTEGRATION}/test_roles_command.py"),
    "doctor": (
        f"{INTEGRATION}/test_doctor_broker.py",
        f"{INTEGRATION}/test_doctor_database.py",
        f"{ACCEPTANCE}/test_doctor_command.py",
    ),
    "clients": ("tests/conformance", "tests/typescript"),
}
DATABASE_PARTS: Final = ("order law", "erasure", "upgrade", "roles")
BROKER_PARTS: Final = ("dead letters", "erasure", "changes feed", "topology", "cluster", "rolling restarts")


@dataclass(frozen=True, slots=True)
class Combination:
    """Servers to run parts on: those of a Debian with its Python, or ours with one of another's.

    `suite` is a Debian whose tree everything runs in. `rabbitmq` is a Debian whose broker is used from here, and
    `postgres` a PostgreSQL of `tests.versions.postgres`; what is not named is this machine's.
    """

    name: str
    parts: tuple[str, ...]
    suite: str = ""
    rabbitmq: str = ""
    postgres: str = ""


COMBINATIONS: Final = (
    Combination("this machine", tuple(PARTS)),
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
    """Of the three programs, as they say it."""

    rabbitmq: str
    postgres: str
    python: str


class Cell(NamedTuple):
    """How many tests of a part passed, failed and were skipped."""

    passed: int
    failed: int
    skipped: int

    def __str__(self) -> str:
        """Return the cell of the page."""
        if self.failed:
            return f"**{self.failed} failed**"
        return f"{self.passed}" + (f" ({self.skipped} skipped)" if self.skipped else "")


def read_cell(report: Path) -> Cell:
    """Return what a JUnit report of pytest counts; a run that wrote none has failed."""
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


def keep(combination: Combination, versions: Versions, cells: dict[str, Cell]) -> None:
    """Add to what earlier runs have kept."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    row = kept.setdefault(combination.name, {"cells": {}})
    row["versions"] = versions
    row["cells"].update(cells)
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


def write_page() -> None:
    """Put the table of all that was kept between the marks of the page."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows = [_row(each, kept[each.name]) for each in COMBINATIONS if each.name in kept]
    head = ["servers", "RabbitMQ", "PostgreSQL", "Python", *PARTS]
    table = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + "\n".join((BEGIN, *table, END)) + after)


def _row(combination: Combination, kept: dict[str, dict[str, list[int]]]) -> list[str]:
    cells = {part: str(Cell(*numbers)) for part, numbers in kept["cells"].items()}
    return [combination.name, *map(str, kept["versions"]), *(cells.get(part, "") for part in PARTS)]
