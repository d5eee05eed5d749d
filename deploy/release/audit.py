"""Asks the vulnerability databases about everything that is locked: `make audit`.

Exit status 1: something is known to be vulnerable; 75: a database was not reachable, so that nothing is known.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).parents[2]
PIP_AUDIT: Final = PROJECT / ".venv-release" / "bin" / "pip-audit"
PYTHON_LOCKS: Final = (
    "requirements.lock",
    "requirements-traces.lock",
    "requirements-parquet.lock",
    "requirements-dev.lock",
)
NODE_PACKAGE: Final = PROJECT / "contracts" / "typescript"
FOUND: Final = 1
NOT_REACHABLE: Final = 75


@dataclass(frozen=True, slots=True)
class Report:
    """The known facts of the packages of one lock file: the vulnerable ones, and those without an answer."""

    lock: str
    found: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()


def python_report(lock: str, answer: str) -> Report:
    """Return the report in pip-audit's JSON; an invalid answer leaves everything unasked."""
    packages: list[dict[str, Any]] = _parsed(answer).get("dependencies", [])
    found = [f"{each['name']} {flaw['id']}" for each in packages for flaw in each.get("vulns", ())]
    unasked = [each["name"] for each in packages if "skip_reason" in each]
    return Report(lock, tuple(found), tuple(unasked) if packages else ("everything",))


def node_report(lock: str, answer: str) -> Report:
    """Return the report in npm's JSON; an invalid answer leaves everything unasked."""
    match _parsed(answer):
        case {"vulnerabilities": dict(flaws)}:
            return Report(lock, tuple(f"{name} {flaw['severity']}" for name, flaw in flaws.items()))
    return Report(lock, unasked=("everything",))


def _parsed(answer: str) -> dict[str, Any]:
    try:
        read = json.loads(answer)
    except json.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}


def verdict(reports: Sequence[Report]) -> int:
    """Return the exit status: 0 only when everything was asked about and nothing found."""
    if any(report.found for report in reports):
        return FOUND
    return NOT_REACHABLE if any(report.unasked for report in reports) else 0


def sentence(report: Report) -> str:
    """Return the sentence about one lock file for a person."""
    parts = [f"vulnerable: {', '.join(report.found)}"] if report.found else []
    if report.unasked:
        names = report.unasked
        parts.append(f"NOT REACHABLE, nothing is known of {names[0] if len(names) == 1 else len(names)}")
    return f"{report.lock}: {'; '.join(parts) or 'nothing is known against it'}"


def main() -> int:
    """Print a line for each lock file, and return the exit status."""
    options = ("--require-hashes", "--disable-pip", "--format=json", "--progress-spinner=off")
    reports = [python_report(name, _said(PIP_AUDIT, *options, "-r", PROJECT / name)) for name in PYTHON_LOCKS]
    lock = NODE_PACKAGE / "package-lock.json"
    asked = _said("npm", "audit", "--json", "--package-lock-only", "--prefix", NODE_PACKAGE)
    reports.append(node_report(str(lock.relative_to(PROJECT)), asked))
    for report in reports:
        print(sentence(report))
    return verdict(reports)


def _said(*words: str | Path) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=300).stdout


if __name__ == "__main__":
    sys.exit(main())
