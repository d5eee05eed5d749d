"""The pages are easy to read: short sentences, each with its subject, in the words of the field."""

import ast
import re
from typing import Final

import pytest

from deploy.local.instance import PROJECT
from tests.support.lines import laid_out
from tests.support.prose import measure, passages, sentences, words
from tests.unit.test_house import modules, tracked_texts

MOST_WHATS: Final = 1.5
"""In a thousand words: httpx, oban-py and procrastinate have 0.6 to 0.7."""
MOST_WHATS_IN_DOCSTRINGS: Final = 3.0
LONGEST_SENTENCE: Final = 25
MOST_TERMS: Final = 25
CHANGELOG: Final = "CHANGELOG.md"
"""It has one entry a line."""
COMMENT: Final = re.compile(r"(?:^ *--.*\n)+", re.MULTILINE)
DIALECT: Final = re.compile(
    r"\b(?:save for|save where|of before|nobody's|is nobody|whoever|than before it|anew|for ever|is had)\b"
)


def pages() -> set[str]:
    """Return every page of the project, by its path from the root."""
    return {name for name in tracked_texts() if name.endswith(".md")}


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_page_is_easy_to_read(name: str) -> None:
    found = measure(list(passages(tracked_texts()[name])))
    assert found.what_rate <= MOST_WHATS
    assert found.sentence <= LONGEST_SENTENCE


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_page_has_no_dialect(name: str) -> None:
    assert [text for text in passages(tracked_texts()[name]) if DIALECT.search(text.lower())] == []


@pytest.mark.parametrize("name", sorted(pages() - {CHANGELOG}))
def test_a_page_has_one_sentence_a_line(name: str) -> None:
    page = tracked_texts()[name]
    assert page == laid_out(page), f"make fmt, or: .venv/bin/python -m tests.support.lines {name}"


def test_the_changelog_has_one_entry_a_line() -> None:
    lines = tracked_texts()[CHANGELOG].splitlines()
    assert [line for line in lines if line.startswith(" ")] == []


def test_sentences_get_a_line_each_and_tables_and_code_stay() -> None:
    page = "- One `a. B` is\n  long. Two.\n  Three: [x. Y](z).\n\n| A. B. |\n| --- |\n\n```\nA. B.\n```\n"
    wanted = page.replace("is\n  long. Two.", "is long.\n  Two.")
    assert laid_out(page) == wanted
    assert laid_out(wanted) == wanted


@pytest.mark.parametrize("texts", ["docstrings", "comments in SQL"])
def test_docstrings_and_comments_have_no_dialect(texts: str) -> None:
    found = docstrings() if texts == "docstrings" else comments_in_sql()
    assert [text for text in found if DIALECT.search(text.lower())] == []


def docstrings() -> list[str]:
    """Return the passages of all docstrings, of the product and of its tests."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = (
        ast.get_docstring(node)
        for module in modules().values()
        for node in ast.walk(module)
        if isinstance(node, documented)
    )
    return [passage for text in found if text for passage in passages(text)]


def test_docstrings_are_easy_to_read() -> None:
    found = measure(docstrings())
    assert found.what_rate <= MOST_WHATS_IN_DOCSTRINGS
    assert found.sentence <= LONGEST_SENTENCE


def comments_in_sql() -> list[str]:
    """Return the paragraphs of the comments in every SQL file that a person writes, without commands."""
    blocks = (
        re.sub(r"^ *--", "", block, flags=re.MULTILINE)
        for name, text in tracked_texts().items()
        if name.startswith("sql/") and name.endswith(".sql") and name != "sql/schema.sql"
        for block in COMMENT.findall(text)
    )
    paragraphs = (each for block in blocks for each in re.split(r"\n *\n", block))
    return [" ".join(each.split()) for each in paragraphs if not each.lstrip("\n").startswith("     ")]


def test_comments_in_sql_are_easy_to_read() -> None:
    found = measure(comments_in_sql())
    assert found.words > 4000
    assert found.what_rate <= MOST_WHATS
    assert found.sentence <= LONGEST_SENTENCE


def test_the_glossary_has_few_terms() -> None:
    rows = re.findall(r"^\| (?!term|---)([^|]+) \|", (PROJECT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert 10 < len(rows) <= MOST_TERMS
    assert len(rows) == len(set(rows))


def test_a_passage_is_a_paragraph_an_item_or_a_cell() -> None:
    page = "# What is it\n\nOne `what is`.\nTwo.\n\n- [three](x.md)\n\n| a | b |\n| --- | --- |\n| c | d |\n\n    x\n"
    assert list(passages(page)) == ["One CODE. Two.", "three", "a", "b", "c", "d"]


def test_a_sentence_ends_at_its_mark() -> None:
    assert sentences("It waits 3.5 s at most. Then it ends: see *run*. Done.") == [
        "It waits 3.5 s at most.",
        "Then it ends: see *run*.",
    ]
    assert words("What it's worth: 25,000.") == ["what", "it's", "worth", "25,000."]


def test_what_is_counted_and_the_longest_sentences_are_measured() -> None:
    found = measure(["Say what it is now. " * 19 + "One sentence has eight words, and more yet."])
    assert found == (103, 184.5, 5)
