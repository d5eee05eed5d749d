"""`migrate`: brings the database to the schema of this release."""

from typing import Annotated

import typer

from worker.cli.console import print_json, run_to_end
from worker.cli.loading import load
from worker.cli.options import AsJson, DatabaseUrl
from worker.errors import ConfigurationError
from worker.store.migrations import MigrationStatus, migrate, status


def migrate_database(
    database_url: DatabaseUrl = None,
    show_status: Annotated[
        bool, typer.Option("--status", help="Print which migrations are applied; change nothing.")
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
        _print_status(run_to_end(status(dsn)), as_json=as_json)
        return
    applied = run_to_end(migrate(dsn))
    if as_json:
        print_json({"applied": applied})
    else:
        print(f"applied {', '.join(f'{v:04}' for v in applied)}" if applied else "up to date")


def _print_status(found: MigrationStatus, *, as_json: bool) -> None:
    states = {
        "applied": found.applied,
        "pending": found.pending,
        "ahead": found.ahead,
        "altered": found.altered,
        "replaced": found.replaced,
    }
    if as_json:
        print_json(states)
        return
    for state, versions in states.items():
        if versions or state in ("applied", "pending"):
            print(f"{state}: {', '.join(f'{v:04}' for v in versions) or 'none'}")
