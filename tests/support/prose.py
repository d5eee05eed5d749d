"""The readability of a page: `python -m tests.support.prose PAGE ...` prints measures and long sentences."""

import re
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from deploy.local.instance import PROJECT

PARSER: Final = MarkdownIt("commonmark").enable("table")
SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[\"'(]*[A-Z0-9])")
WORD: Final = re.compile(r"[A-Za-z][\w'-]*|\d[\d.,]*")
FEWEST_WORDS: Final = 4
"""Fewer words are a label and not a sentence."""


class Measures(NamedTuple):
    """The measures of a text: words, *what* in a thousand words, and a sentence's words (95th percentile)."""

    words: int
    what_rate: float
    sentence: int


def passages(page: str) -> Iterator[str]:
    """Yield each paragraph, item and cell of a page in Markdown as plain text, without headings and blocks of code.

    Inline code becomes the word CODE.
    """
    opened = ""
    for token in PARSER.parse(page):
        if token.type == "inline" and opened != "heading_open":
            yield _plain(token.children or [])
        opened = token.type


def sentences(passage: str) -> list[str]:
    """Return the sentences of a passage."""
    return [each for each in SENTENCE_END.split(passage) if len(words(each)) >= FEWEST_WORDS]


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case."""
    return [word.lower() for word in WORD.findall(text)]


def measure(texts: list[str]) -> Measures:
    """Return the measures of all passages together."""
    everything = [word for text in texts for word in words(text)]
    lengths = sorted(len(words(each)) for text in texts for each in sentences(text))
    share = 1000 * everything.count("what") / max(len(everything), 1)
    return Measures(
        len(everything), round(share, 1), lengths[int(0.95 * (len(lengths) - 1))] if lengths else 0
    )


def _plain(parts: list[Token]) -> str:
    kinds = {"text": "", "code_inline": "CODE", "softbreak": " ", "hardbreak": " "}
    return "".join(kinds[part.type] or part.content for part in parts if part.type in kinds)


def _report(name: str) -> None:
    found = list(passages((PROJECT / name).read_text(encoding="utf-8")))
    print(name, measure(found))
    ordered = sorted((each for text in found for each in sentences(text)), key=lambda each: -len(words(each)))
    for each in ordered[: max(len(ordered) // 10, 3)]:
        print(f"  {len(words(each))}: {each}")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        _report(argument)
