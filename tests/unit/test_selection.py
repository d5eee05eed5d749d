"""The tests that a run leaves out, and the page that lists them."""

from pathlib import Path

from deploy.local.instance import PROJECT
from tests.support.left_out import PAGE, left_out, page_with, table


def test_the_page_lists_what_make_test_leaves_out() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_with(table()), "run: python -m tests.support.left_out"


def test_every_mark_says_why() -> None:
    assert all(each.why for each in left_out())
    others = {"tests/support/selection.py", str(Path(__file__).relative_to(PROJECT))}
    texts = {str(path.relative_to(PROJECT)): path.read_text() for path in (PROJECT / "tests").rglob("*.py")}
    assert {name for name, text in texts.items() if "mark.long" in text} == others
