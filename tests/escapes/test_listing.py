"""The documentation lists the attempts that the tests make."""

from collections import Counter

from deploy.local.instance import PROJECT
from tests.escapes.listing import ATTEMPTS, table


def test_the_threat_model_lists_every_attempt() -> None:
    page = (PROJECT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    assert table(ATTEMPTS) in page, "print it: python -m tests.escapes.listing"


def test_there_are_many_and_most_are_denied_by_the_servers() -> None:
    denied = Counter(each.by for each in ATTEMPTS)
    assert denied.total() == len({each.name for each in ATTEMPTS}) >= 40
    assert denied["broker"] + denied["database"] > denied["worker"] + denied["host"]
