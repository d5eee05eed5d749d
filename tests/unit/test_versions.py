"""What `make test-versions` does without a tree, and what its page says of servers that nothing was run on."""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.versions import __main__, matrix, trees
from tests.versions.matrix import BROKER_PARTS, COMBINATIONS, PARTS, QUICK, Cell, Versions

NEWEST: Final = "newest RabbitMQ"


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have nothing made and nothing kept, and a page of this test's own; return its path."""
    monkeypatch.setattr(trees, "PLACE", tmp_path)
    monkeypatch.setattr(matrix, "RESULTS", tmp_path / "results")
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


def test_the_page_says_what_was_not_run(place: Path) -> None:
    combination = next(each for each in COMBINATIONS if each.name == NEWEST)
    cells = {"topology": Cell(18, 0, 0), "erasure": Cell(1, 2, 3), "cluster": Cell(4, 0, 1)}
    matrix.keep(combination, Versions("4.3.6", "15.18", "3.11.7"), cells)
    matrix.write_page()
    lines = place.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    head, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")
    )
    assert head[4:] == list(PARTS)
    row = dict(zip(head, next(row for row in rows if row[0] == NEWEST), strict=True))
    assert (row["topology"], row["erasure"], row["cluster"]) == ("18", "**2 failed**", "4 (1 skipped)")
    assert (row["dead letters"], row["order law"]) == ("not run", "")
    assert [row[0] for row in rows] == [each.name for each in COMBINATIONS]
