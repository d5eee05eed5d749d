"""The checks of a release: vulnerabilities, licences, and builds that anybody can reproduce."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Final

import pytest

from deploy.release import audit, licences
from deploy.release.audit import Report, node_report, python_report
from deploy.release.build import build_python, sums

PROJECT: Final = Path(__file__).parents[2]
CLIENTS: Final = PROJECT / "contracts"
PROJECTS: Final = ("pyproject.toml", "contracts/pyproject.toml")
ASKED: Final = {"name": "yarl", "version": "1.0", "vulns": []}
FLAWED: Final = {"name": "rich", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": []}]}
UNASKED: Final = {"name": "typer", "skip_reason": "not found"}


def python_answer(*packages: object) -> Report:
    return python_report("requirements.lock", json.dumps({"dependencies": packages}))


def test_a_known_flaw_fails_the_audit_with_its_name() -> None:
    report = python_answer(ASKED, FLAWED)
    assert report.found == ("rich PYSEC-1",)
    assert audit.verdict([report]) == 1
    assert audit.verdict([node_report("lock", '{"vulnerabilities": {"left": {"severity": "high"}}}')]) == 1


def test_an_audit_of_which_everything_was_asked_and_nothing_found_passes() -> None:
    reports = [python_answer(ASKED), node_report("lock", '{"vulnerabilities": {}}')]
    assert audit.verdict(reports) == 0
    assert audit.sentence(reports[0]) == "requirements.lock: nothing is known against it"


@pytest.mark.parametrize(
    "report",
    [
        python_answer(ASKED, UNASKED),
        python_answer(),
        python_report("lock", ""),
        node_report("lock", '{"message": "405"}'),
        node_report("lock", "[]"),
    ],
)
def test_a_database_that_was_not_reachable_never_passes_for_a_clean_audit(report: Report) -> None:
    assert audit.verdict([python_answer(ASKED), report]) == 75
    assert "NOT REACHABLE" in audit.sentence(report)


def test_the_page_of_licences_is_what_the_packages_declare() -> None:
    assert licences.main(["--check"]) == 0, "run: python -m deploy.release.licences"


def test_no_unknown_licence_and_no_strong_copyleft_gets_in() -> None:
    found = {**licences.python_licences(), **licences.node_licences()}
    assert {name: parts for name, licence in found.items() if (parts := licences.refused(licence))} == {}


@pytest.mark.parametrize(
    ("licence", "parts"),
    [
        ("GPL-3.0-or-later", {"GPL-3.0-or-later"}),
        ("MIT AND AGPL-3.0-only", {"AGPL-3.0-only"}),
        ("MIT OR GPL-2.0-only", set()),
        ("MPL-2.0 AND (GPL-2.0-only OR MIT)", set()),
        ("unknown", {"unknown"}),
    ],
)
def test_of_alternative_licences_one_must_be_allowed(licence: str, parts: set[str]) -> None:
    assert licences.refused(licence) == parts


def test_every_locked_package_has_hashes() -> None:
    for lock in PROJECT.glob("requirements*.lock"):
        pins = [line for line in lock.read_text("utf-8").splitlines() if "==" in line and line[0].isalpha()]
        assert pins
        assert all(pin.endswith("\\") for pin in pins), lock.name


def test_wheels_and_sources_are_the_same_bytes_from_any_directory(tmp_path: Path) -> None:
    made = []
    for name, mask in (("one", 0o022), ("another/place", 0o077)):
        source, target = tmp_path / name / "source", tmp_path / name / "dist"
        subprocess.run(["git", "clone", "--quiet", PROJECT, source], check=True)
        before = os.umask(mask)
        build_python(source, target)
        os.umask(before)
        made.append(sums(target))
    assert made[0] == made[1]
    assert made[0].count("\n") == 4


def test_every_distribution_has_the_same_version_and_licence() -> None:
    described = [tomllib.loads((PROJECT / path).read_text("utf-8"))["project"] for path in PROJECTS]
    package = json.loads((CLIENTS / "typescript" / "package.json").read_text("utf-8"))
    plugin = (CLIENTS / "typescript" / "src" / "plugin.ts").read_text("utf-8")
    stated = re.findall(r"version: '([^']+)'", plugin)
    assert {each["version"] for each in (*described, package)} | set(stated) == {package["version"]}
    assert len(stated) == 1
    copies = {path.read_bytes() for path in (PROJECT / "LICENSE", CLIENTS / "LICENSE")}
    assert len(copies) == 1


def test_the_client_asks_for_nothing_that_the_worker_does_not() -> None:
    worker, client = (tomllib.loads((PROJECT / path).read_text("utf-8"))["project"] for path in PROJECTS)
    bounds = {name_of(each): each for each in worker["dependencies"]}
    loose = {name_of(each): each for each in client["dependencies"]}
    assert loose.pop("aiormq") == "aiormq~=7.2"  # the worker's frame reader pins it
    assert loose == {name: bounds[name] for name in loose}


def name_of(requirement: str) -> str:
    return re.split(r"[=~<>]", requirement)[0]
