"""The pages of the site: `python -m deploy.site.pages DIRECTORY` copies every file that README.md leads to."""

import re
import shutil
import sys
from pathlib import Path
from typing import Final

from deploy.local.instance import PROJECT

START: Final = PROJECT / "README.md"
PICTURES: Final = Path(__file__).parent / "node_modules" / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js"
LINK: Final = re.compile(r"\]\((?!\w+:)([^)#\s]+)")


class LinkBroken(Exception):
    """A page links to a file that does not exist, or to a folder: a site has no page for a folder."""


def linked_files(page: Path) -> set[Path]:
    """Return the files to which a page in Markdown links; raises LinkBroken."""
    found = {(page.parent / link).resolve() for link in LINK.findall(page.read_text(encoding="utf-8"))}
    for path in found:
        if not path.is_file():
            raise LinkBroken(f"{page} links to {path}, which is no file")
    return found


def reachable_files() -> set[Path]:
    """Return README.md and every file to which it leads, by any number of links; raises LinkBroken."""
    found: set[Path] = set()
    waiting = {START}
    while waiting:
        path = waiting.pop()
        found.add(path)
        if path.suffix == ".md":
            waiting |= linked_files(path) - found
    return found


def lay_out(directory: Path) -> None:
    """Replace a directory by a copy of the reachable files, and of the program that draws the pictures."""
    shutil.rmtree(directory, ignore_errors=True)
    for path in reachable_files():
        target = directory / path.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    shutil.copyfile(PICTURES, directory / PICTURES.name)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
