"""`make test-versions`: parts of the suite on other servers; `python -m tests.versions --help`."""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local.instance import PROJECT
from deploy.local.programs import POSTGRES_PROGRAMS, RABBITMQ_PROGRAMS, postgres_programs, rabbitmq_programs
from tests.versions import postgres
from tests.versions.matrix import (
    COMBINATIONS,
    PARTS,
    QUICK,
    Cell,
    Combination,
    Versions,
    read_cell,
    write_page,
)
from tests.versions.trees import PLACE, CannotMake, Tree

PYTHON: Final = PROJECT / ".venv" / "bin" / "python"
OPTIONS: Final = ("-q", "-p", "no:cacheprovider", "--dist", "loadfile", "--max-worker-restart", "0")


def main() -> int:
    """Return 0 if every part has passed on all servers that it ran on.

    Servers that cannot be made here are named at the end. With `--may-skip` they are no failure.
    """
    chosen = _parse()
    failed, skipped = [], []
    for each in map(_named, chosen.servers):
        try:
            if not _has_passed(each, chosen):
                failed.append(each.name)
        except CannotMake as reason:
            skipped.append(f"NOT TESTED: {each.name}, because it cannot be had here: {reason}")
    print("\n".join([*(f"failed: {name}" for name in failed), *skipped]), file=sys.stderr)
    return 1 if failed or (skipped and not chosen.may_skip) else 0


def _has_passed(combination: Combination, chosen: argparse.Namespace) -> bool:
    """Run the chosen parts on these servers, the quick ones in one run; return whether all passed."""
    versions = _versions_of(combination)
    parts = [
        part
        for part in combination.parts
        if (not chosen.parts or part in chosen.parts) and (part in QUICK or not chosen.quick)
    ]
    print(
        f"{combination.name}: RabbitMQ {versions[0]}, PostgreSQL {versions[1]}, Python {versions[2]}",
        flush=True,
    )
    if chosen.quick:
        return not _run(combination, [path for part in parts for path in QUICK[part]], chosen.workers).failed
    cells: dict[str, Cell] = {}
    for part in parts:
        cells[part] = _run(combination, PARTS[part], chosen.workers)
        if chosen.page:
            write_page(combination, versions, cells)
    return not any(cell.failed for cell in cells.values())


def _run(combination: Combination, paths: Sequence[str], workers: int) -> Cell:
    """Run these tests on the servers and return the counts of their results."""
    report = PLACE / f"{combination.slug}.xml"
    report.unlink(missing_ok=True)
    words = ["-m", "pytest", "-n", str(workers), *OPTIONS, f"--junit-xml={report}", *paths]
    if combination.suite:
        tree = Tree(combination.suite)
        tree.run([".venv/bin/python", *words], tree.project())
    else:
        subprocess.run([str(PYTHON), *words], env=_variables(combination), cwd=PROJECT, check=False)
    return read_cell(report)


def _versions_of(combination: Combination) -> Versions:
    """Provide the servers, and return their versions."""
    if combination.suite:
        tree = Tree(combination.suite)
        tree.complete()
        if tree.run(["make", "setup"], tree.project()):
            raise CannotMake(f"`make setup` failed in {tree.directory}")
        names = ("rabbitmq-server", f"postgresql-{tree.version_of('postgresql')[:2]}", "python3")
        return Versions(*map(tree.version_of, names))
    variables = _variables(combination)
    programs = Path(variables.get(RABBITMQ_PROGRAMS) or rabbitmq_programs())
    rabbitmq = subprocess.run(
        [programs / "rabbitmqctl", "version"], capture_output=True, text=True, check=False
    )
    if rabbitmq.returncode:  # as in a container that may not mount
        raise CannotMake(f"its rabbitmqctl does not run: {rabbitmq.stderr.strip()}")
    server = Path(variables.get(POSTGRES_PROGRAMS) or postgres_programs())
    return Versions(rabbitmq.stdout.split()[-1], postgres.version_of(server), platform.python_version())


def _variables(combination: Combination) -> dict[str, str]:
    """Return the environment that names the servers for the suite; makes missing ones."""
    variables = dict(os.environ)
    if combination.rabbitmq:
        tree = Tree(combination.rabbitmq)
        tree.make()
        variables[RABBITMQ_PROGRAMS] = str(tree.rabbitmq())
    if combination.postgres:
        variables[POSTGRES_PROGRAMS] = str(postgres.server_programs(combination.postgres))
    return variables


def _named(name: str) -> Combination:
    return next(each for each in COMBINATIONS if each.name == name)


def _parse() -> argparse.Namespace:
    names = [each.name for each in COMBINATIONS]
    parser = argparse.ArgumentParser(prog="python -m tests.versions", description=__doc__)
    parser.add_argument(
        "servers", nargs="*", default=names, metavar="SERVERS", help=f"of: {', '.join(names)}"
    )
    parser.add_argument("--parts", nargs="+", default=[], choices=list(PARTS), help="run only these parts")
    parser.add_argument("--workers", type=int, default=2, help="tests at a time (default: 2)")
    parser.add_argument("--quick", action="store_true", help="the tests of each part that every change runs")
    parser.add_argument("--may-skip", action="store_true", help="servers that cannot be made are no failure")
    parser.add_argument("--page", action="store_true", help="write the results into docs/versions.md")
    chosen = parser.parse_args()
    if unknown := set(chosen.servers) - set(names):
        parser.error(f"no such servers: {', '.join(sorted(unknown))}")
    if chosen.quick and chosen.page:
        parser.error("the page has whole parts: --quick or --page")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
