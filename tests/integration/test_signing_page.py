"""The section on signatures for engine developers is correct."""

import json

import pytest

from contracts.signing import Keyring
from deploy.local.instance import PROJECT
from tests.support.programs.page import commands_of, run_commands
from tests.unit.test_signing import content_of

PAGE = "docs/engine.md"


def test_the_worked_example_is_what_openssl_and_the_contract_make_of_it() -> None:
    (commands,) = commands_of(PAGE, "Signed messages")
    code = run_commands(commands, {}).split()[-1]
    text = (PROJECT / PAGE).read_text(encoding="utf-8")
    assert f"ends in `{code}`" in text
    vectors = json.loads((PROJECT / "contracts" / "signatures.json").read_text(encoding="utf-8"))
    example = next(vector for vector in vectors if vector["name"] == "an event")
    assert example["keys"] in text
    assert example["header"].endswith(f";{code}")
    assert Keyring.parse(example["keys"]).find_fault(example["header"], content_of(example)) is None


@pytest.mark.parametrize("word", ["unsigned", "malformed", "unknown_key", "wrong", "expired", "-32006"])
def test_the_page_has_every_word_for_what_is_wrong(word: str) -> None:
    assert word in (PROJECT / PAGE).read_text(encoding="utf-8")
