"""One sentence a line in the source of a page: `python -m tests.support.lines PAGE ...` lays pages out that way."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.prose import PARSER

BOUNDARY: Final = re.compile(r"(?<=[.!?])\s+(?=[\"'(*\[]*[A-Z0-9`])")
ENDED: Final = re.compile(r"[.!?:;][\"')*`]*$")
LIST_MARKER: Final = re.compile(r"\d+[.)]\s|[-+*#>]\s")


def laid_out(page: str) -> str:
    """Return a page in Markdown with each sentence of its paragraphs and items on a line of its own.

    Tables and blocks of code stay as they are, and so does the meaning of the page.
    """
    lines = page.split("\n")
    for start, end in reversed([*_passages(page)]):
        lines[start:end] = _sentences(lines[start:end])
    return "\n".join(lines)


def _passages(page: str) -> Iterator[tuple[int, int]]:
    """Yield the first line of each paragraph and item, and the line after its last."""
    opened = ""
    for token in PARSER.parse(page):
        if token.type == "inline" and opened == "paragraph_open" and token.map:
            yield token.map[0], token.map[1]
        opened = token.type


def _sentences(lines: list[str]) -> list[str]:
    """Return one passage with a line for each sentence; the first may begin with the marker of an item."""
    marker = re.match(r"\s*(?:(?:[-+*]|\d+[.)])\s+|>\s*)*", lines[0])
    head = marker[0] if marker else ""
    texts = [lines[0][len(head) :], *(line.strip() for line in lines[1:])]
    joined = texts[:1]
    for text in texts[1:]:
        if ENDED.search(joined[-1]):
            joined.append(text)
        else:
            joined[-1] += f" {text}"
    first, *rest = [sentence for text in joined for sentence in _split(text)]
    return [head + first, *(" " * len(head) + sentence for sentence in rest)]


def _split(text: str) -> Iterator[str]:
    """Yield the sentences of a text; none ends within code, a link or brackets, or begins like an item."""
    begin = 0
    for boundary in BOUNDARY.finditer(text):
        before, after = text[begin : boundary.start()], text[boundary.end() :]
        if _is_whole(before) and not LIST_MARKER.match(after):
            yield before
            begin = boundary.end()
    yield text[begin:]


def _is_whole(text: str) -> bool:
    return text.count("`") % 2 == 0 and all(text.count(a) == text.count(b) for a, b in ("[]", "()"))


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(laid_out(path.read_text(encoding="utf-8")), encoding="utf-8")
