"""`make test-versions` without a tree, and its page for servers on which no test has run."""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.versions import __main__, matrix, trees
from tests.versions.matrix import BROKER_PARTS, COMBINATIONS, PARTS, QUICK, Cell, Versions

NEWEST: Final = "newest RabbitMQ"
SERVERS: Final = next(each for each in COMBINATIONS if each.name == NEWEST)
VERSIONS: Final = Versions("4.3.6", "15.18", "3.11.7")


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Set an empty place for trees and results, and a page of this test's own; return the page's path."""
    monkeypatch.setattr(trees, "PLACE", tmp_path)
    monkeypatch.setattr(matrix, "PAGE", tmp_path / "page.md")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{matrix.BEGIN}\nold\n{matrix.END}\nafter\n")
    return page


@pytest.mark.parametrize(("option", "status"), [("--may-skip", 0), ("--quick", 1)])
def test_servers_that_cannot_be_had_are_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, status: int
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["versions", NEWEST, option])
    assert __main__.main() == status
    said = capsys.readouterr().err
    assert said.startswith(f"NOT TESTED: {NEWEST}, because it cannot be had here: ")
    assert "root" in said


def test_each_change_is_tried_with_something_of_every_part_that_a_broker_can_change() -> None:
    assert set(QUICK) == set(BROKER_PARTS)


def rows_of(page: Path) -> dict[str, dict[str, str]]:
    """Return the rows of the table, by their servers and then by column."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def test_the_page_says_what_was_not_run(place: Path) -> None:
    cells = {"topology": Cell(18, 0, 0), "erasure": Cell(1, 2, 3), "cluster": Cell(4, 0, 1)}
    matrix.write_page(SERVERS, VERSIONS, cells)
    lines = place.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    rows = rows_of(place)
    assert list(rows) == [each.name for each in COMBINATIONS]
    row = rows[NEWEST]
    assert list(row)[4:] == list(PARTS)
    assert (row["topology"], row["erasure"], row["cluster"]) == ("18", "**2 failed**", "4 (1 skipped)")
    assert (row["dead letters"], row["order law"]) == ("not run", "")


def test_the_page_keeps_the_results_of_earlier_runs(place: Path) -> None:
    matrix.write_page(SERVERS, VERSIONS, {"topology": Cell(18, 0, 0)})
    other = next(each for each in COMBINATIONS if each.name == "PostgreSQL 12")
    matrix.write_page(other, Versions("3.10.8", "12.22", "3.11.7"), {"roles": Cell(25, 0, 0)})
    matrix.write_page(SERVERS, VERSIONS, {"cluster": Cell(4, 0, 0)})
    rows = rows_of(place)
    assert (rows[NEWEST]["topology"], rows[NEWEST]["cluster"]) == ("18", "4")
    assert (rows["PostgreSQL 12"]["roles"], rows["PostgreSQL 12"]["PostgreSQL"]) == ("25", "12.22")
    matrix.write_page(SERVERS, VERSIONS._replace(rabbitmq="4.3.7"), {"cluster": Cell(4, 0, 0)})
    assert rows_of(place)[NEWEST]["topology"] == "not run"
    assert rows_of(place)[NEWEST]["RabbitMQ"] == "4.3.7"
