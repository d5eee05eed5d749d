"""`migrate`: brings the database to the schema of this release."""

from dataclasses import asdict
from textwrap import indent
from typing import Annotated

import typer

from worker.cli.console import print_json, printable, run_to_end, warn
from worker.cli.loading import load
from worker.cli.options import AsJson, DatabaseUrl
from worker.errors import ConfigurationError
from worker.store.adoption import SCAN_SECONDS, Adoption, read_adoption
from worker.store.migrations import MigrationStatus, migrate, status


def migrate_database(
    database_url: DatabaseUrl = None,
    show_status: Annotated[
        bool,
        typer.Option(
            "--status",
            help="Print the applied migrations and the objects that they replaced; change nothing.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Print which migrations would be applied; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database to the schema that this release needs."""
    settings = load({"database_url": database_url}, required=["DATABASE_URL"]).settings
    if settings.pooler == "transaction":
        raise ConfigurationError(
            "migrations need a session of their own: set DATABASE_URL to the server, not to its pooler, and "
            "SESSION_STORE_POOLER=none"
        )
    dsn = settings.database_url.get_secret_value()
    if show_status or dry_run:
        found = run_to_end(status(dsn))
        adopted = run_to_end(read_adoption(dsn)) if found.is_current else None
        _print_status(found, adopted, as_json=as_json)
    else:
        _migrate(dsn, as_json=as_json)


def _migrate(dsn: str, *, as_json: bool) -> None:
    applied = run_to_end(migrate(dsn))
    adopted = run_to_end(read_adoption(dsn, None if applied else SCAN_SECONDS))
    if as_json:
        print_json({"applied": applied, **_adoption_json(adopted)})
        return
    print(f"applied {', '.join(f'{v:04}' for v in applied)}" if applied else "up to date")
    if applied:
        _print_replaced(adopted)
    _print_times(adopted)


def _print_status(found: MigrationStatus, adopted: Adoption | None, *, as_json: bool) -> None:
    states = {
        "applied": found.applied,
        "pending": found.pending,
        "ahead": found.ahead,
        "altered": found.altered,
        "replaced": found.replaced,
    }
    if as_json:
        print_json({**states, **_adoption_json(adopted)})
        return
    for state, versions in states.items():
        if versions or state in ("applied", "pending"):
            print(f"{state}: {', '.join(f'{v:04}' for v in versions) or 'none'}")
    if adopted:
        _print_replaced(adopted, with_definitions=True)
        _print_times(adopted)


def _adoption_json(adopted: Adoption | None) -> dict[str, object]:
    if adopted is None:
        return {}
    objects = [
        {"name": each.name, "definition": each.definition, "instead": each.instead}
        for each in adopted.replaced
    ]
    return {"replacedObjects": objects, "oddTimes": [asdict(each) for each in adopted.times.sessions]}


def _print_replaced(adopted: Adoption, *, with_definitions: bool = False) -> None:
    for each in adopted.replaced:
        print(f"replaced object {each.name}: now {each.instead}")
        if with_definitions:
            print(indent(f"it was: {each.definition.strip()}", "    "))


def _print_times(adopted: Adoption) -> None:
    if adopted.times.sessions:
        warn(
            "sessions have times before the year 1 or after 9999, of which answers have the nearest they can hold: "
            f"{printable(str(adopted.times))}; session-store doctor has the statement that changes them"
        )
