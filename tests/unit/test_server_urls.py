"""A server's URL is read in one way or refused, and a refusal has none of its text."""

import json
from operator import itemgetter
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.urls import RULE, read_server_url

VECTORS: Final = json.loads((Path(__file__).parents[2] / "contracts" / "url-vectors.json").read_text())
"""The parts of URLs after `://`, which the TypeScript client reads in the same way."""

SECRET: Final = VECTORS["hidden"]


@pytest.mark.parametrize("scheme", ["postgresql", "amqp"])
@pytest.mark.parametrize("rest", VECTORS["refused"])
def test_a_text_with_two_readings_has_none_and_is_not_repeated(scheme: str, rest: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read_server_url(f"{scheme}://{rest}")
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("expected", VECTORS["read"], ids=itemgetter("rest"))
def test_every_other_text_has_one_reading(expected: dict[str, Any]) -> None:
    found = read_server_url(f"amqp://{expected['rest']}")
    assert [list(host) for host in found.hosts] == expected["hosts"]
    assert [found.user, found.password] == expected["login"]
    assert (found.path, found.options) == (expected["path"], expected["options"])


def test_the_rule_says_what_to_write() -> None:
    with pytest.raises(
        ValueError, match=r"write @ as %40, : as %3A, / as %2F, # as %23, \? as %3F"
    ) as refused:
        read_server_url(f"postgresql://u:{SECRET}/x@h/d")
    assert str(refused.value) == RULE


def test_the_parts_are_decoded() -> None:
    found = read_server_url(
        "amqps://u%40a:p%3A%2Fa:b@a:1,[fe80::1%25eth0]:2,b,%2Frun%2Fpg/x%2Fy?n=a%26b&n=c@d"
    )
    assert (found.scheme, found.user, found.password, found.path) == ("amqps", "u@a", "p:/a:b", "x/y")
    assert found.hosts == (("a", 1), ("fe80::1%25eth0", 2), ("b", None), ("/run/pg", None))
    assert found.options == {"n": "c@d"}
    assert "p:/a" not in repr(found)


@given(password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12))
def test_every_password_comes_back_when_it_is_encoded(password: str) -> None:
    assert read_server_url(f"amqp://u:{quote(password, safe='')}@h").password == password
