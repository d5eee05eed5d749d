"""Files that a program writes and people commit."""

from collections.abc import Sequence
from pathlib import Path


def write_or_check(page: Path, text: str, words: Sequence[str]) -> int:
    """Return 0 when the file is, or now is, this text; with the word `--check` nothing is written."""
    if list(words) == ["--check"]:
        return 0 if page.read_text(encoding="utf-8") == text else 1
    page.write_text(text, encoding="utf-8")
    return 0
