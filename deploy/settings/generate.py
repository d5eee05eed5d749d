"""The table of the settings in docs/configure.md: `python -m deploy.settings.generate` writes or compares it."""

import re
import sys
from pathlib import Path
from typing import Final, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from deploy.generated import write_or_check
from worker.settings.config import SECRETS_DIRECTORIES, Settings

PAGE: Final = Path(__file__).parents[2] / "docs" / "configure.md"
TABLE: Final = re.compile(r"^\| variable \| default \| allowed \|.*\n(\|.*\n)*", re.MULTILINE)
HEAD: Final = "| variable | default | allowed | meaning |\n| --- | --- | --- | --- |\n"
RULES: Final = ("ge", "le", "pattern")
SECRETS: Final = (
    "a directory of files, each named as a variable and holding its value; systemd's `{}` serves too"
)


def table() -> str:
    """Return one row a setting, in the order in which `session-store config` prints them."""
    rows = [_row(field) for field in Settings.model_fields.values()]
    ours, theirs = SECRETS_DIRECTORIES
    rows.append((f"`{ours}`", "", "", SECRETS.format(theirs)))
    return HEAD + "".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in row)}|\n" for row in rows)


def _row(field: FieldInfo) -> tuple[str, ...]:
    default = field.default
    shown = default.get_secret_value() if isinstance(default, SecretStr) else str(default)
    return f"`{field.validation_alias}`", shown, _allowed(field), field.description or ""


def _allowed(field: FieldInfo) -> str:
    if words := get_args(field.annotation):
        return ", ".join(f"`{word}`" for word in words)
    rules = {name: getattr(rule, name) for rule in field.metadata for name in RULES if hasattr(rule, name)}
    match rules:
        case {"ge": least, "le": most}:
            return f"{least} to {most}"
        case {"pattern": str() as pattern} if "|" not in pattern:  # which would end the cell
            return f"`{pattern}`"
    return ""


def main(words: list[str]) -> int:
    """Return 0 when the table has, or now has, the content that this program writes."""
    text, found = TABLE.subn(lambda _: table(), PAGE.read_text(encoding="utf-8"))
    if found != 1:
        raise ValueError(f"{found} tables of settings in {PAGE}")
    return write_or_check(PAGE, text, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
