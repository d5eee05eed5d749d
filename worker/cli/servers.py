"""`migrate` and `topology`: prepare the servers for workers."""

import json
import re
import sys
from dataclasses import asdict
from shlex import quote
from textwrap import indent
from typing import Annotated

import typer

from contracts.topology import NEVER_REACHED, Topology
from worker.broker.topology import check_topology
from worker.cli.console import print_json, print_table, printable, run_to_end, warn
from worker.cli.options import AmqpUrl, AsJson, DatabaseUrl, Prefix
from worker.dead_letters.upgrade import Upgraded, upgrade_topology
from worker.errors import ConfigurationError
from worker.settings.endpoint import read_amqp_url
from worker.settings.loading import load
from worker.store.adoption import SCAN_SECONDS, Adoption, read_adoption
from worker.store.migrations import MigrationStatus, migrate, status


def migrate_database(
    database_url: DatabaseUrl = None,
    show_status: Annotated[
        bool,
        typer.Option(
            "--status", help="Print which migrations are applied and what they replaced; change nothing."
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


def declare_or_check(
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare; change nothing; exit status 1 when they differ.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Declare the exchanges, queues and bindings, and upgrade those of an earlier release; or check them."""
    settings = load({"amqp_url": amqp_url, "prefix": prefix}, required=["AMQP_URL"]).settings
    url, names = settings.amqp_url.get_secret_value(), Topology(settings.prefix)
    upgraded = Upgraded() if check else run_to_end(upgrade_topology(url, names))
    differences = run_to_end(check_topology(url, names))
    listed = [exchange.name for exchange in names.exchanges] + [queue.name for queue in names.queues]
    states = {name: differences.get(name, "ok") for name in listed}
    if as_json:
        print_json(states)
    else:
        print_table(("name", "state"), [(name, str(state)) for name, state in states.items()])
    _report_upgrade(upgraded, names, url)
    if differences or upgraded.waiting:
        raise typer.Exit(1)


def _report_upgrade(upgraded: Upgraded, names: Topology, url: str) -> None:
    former, vhost = names.former_dead_queue.name, quote(read_amqp_url(url).name)
    if upgraded.moved:
        print(
            f"moved {upgraded.moved} dead letters from {former} to {names.dead_queue.name}", file=sys.stderr
        )
    if upgraded.waiting:
        pattern, limit = quote(f"^{re.escape(former)}"), quote(json.dumps({"delivery-limit": NEVER_REACHED}))
        print(
            f"{upgraded.waiting} dead letters wait in {former}. This broker drops a message that was returned 20 "
            "times, so they are moved only while a policy raises that limit. Run:\n\n"
            f"    rabbitmqctl set_policy --vhost {vhost} --apply-to queues --priority 1 "
            f"session-store-upgrade {pattern} {limit}\n"
            "    session-store topology\n"
            f"    rabbitmqctl clear_policy --vhost {vhost} session-store-upgrade",
            file=sys.stderr,
        )


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
