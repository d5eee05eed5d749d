"""The pages link to each other, and the site has all; `make docs` checks this and the pictures too."""

import re
from pathlib import Path
from typing import Final

import pytest

from deploy.local.instance import PROJECT
from deploy.site.pages import LinkBroken, linked_files, reachable_files
from tests.unit.test_house import tracked_texts

NAVIGATION: Final = (
    (PROJECT / "deploy" / "site" / "mkdocs.yaml").read_text(encoding="utf-8").partition("nav:")[2]
)
PAGES: Final = sorted(
    name for name in tracked_texts() if name.endswith(".md") and name != "tests/bench/notes.md"
)
"""Without the part of docs/benchmarks.md that `make bench` takes over."""
PICTURE: Final = re.compile(r"!\[[^\]]*\]\((?!\w+:)([^)\s]+)\)")
LARGEST_PICTURE: Final = 200_000
REFERENCE: Final = re.compile(r"(?:href=|src=|url\()[\"']?(?:https?:)?//")
ANCHORED: Final = re.compile(r"\]\((?!\w+:)([^)#\s]*)#([^)\s]+)\)")


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_to_a_file(name: str) -> None:
    linked_files(PROJECT / name)


@pytest.mark.parametrize("name", PAGES)
def test_every_anchor_of_a_link_is_a_heading(name: str) -> None:
    page = PROJECT / name
    links = [
        (page.parent / path if path else page, anchor) for path, anchor in ANCHORED.findall(page.read_text())
    ]
    assert [(str(target), anchor) for target, anchor in links if anchor not in headings_of(target)] == []


def pictures() -> set[Path]:
    """Return the pictures that the pages show."""
    return {
        (PROJECT / name).parent / picture
        for name in PAGES
        for picture in PICTURE.findall((PROJECT / name).read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("name", ["docs/demo.svg", "docs/status.png", "docs/top.svg"])
def test_a_page_shows_each_picture_of_a_running_installation(name: str) -> None:
    assert PROJECT / name in {picture.resolve() for picture in pictures()}


def test_a_picture_is_small_and_loads_nothing() -> None:
    for picture in pictures():
        content = picture.read_bytes()
        assert len(content) < LARGEST_PICTURE, picture
        assert picture.suffix != ".svg" or not REFERENCE.search(content.decode()), picture


def headings_of(page: Path) -> set[str]:
    """Return the anchors of a page, as forges derive them from its headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_navigation_has_every_page_that_the_readme_leads_to() -> None:
    reachable = {str(path.relative_to(PROJECT)) for path in reachable_files() if path.suffix == ".md"}
    listed = [line.strip().removeprefix("- ") for line in NAVIGATION.splitlines() if line.endswith(".md")]
    assert set(listed) == reachable
    assert len(listed) == len(reachable)
    assert {name for name in PAGES if name.startswith("docs/")} <= reachable


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"[all](../{tmp_path.name}) and [the web](https://example.com)")
    with pytest.raises(LinkBroken, match=r"page\.md links to .*, which is no file"):
        linked_files(page)
