"""The pages on security name only tests and pages that exist."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "threat-model.md"
NAMED: Final = re.compile(r"`(test_\w+)`")
DEFINED: Final = re.compile(r"def (test_\w+)\(")
LINK: Final = re.compile(r"\]\(([\w./-]+)[)#]")


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = set(NAMED.findall(PAGE.read_text(encoding="utf-8")))
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 30
    assert named - {name for text in texts for name in DEFINED.findall(text)} == set()


@pytest.mark.parametrize("name", ["SECURITY.md", "docs/threat-model.md", "docs/releases.md"])
def test_every_link_of_the_pages_on_security_leads_somewhere(name: str) -> None:
    page = ROOT / name
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
