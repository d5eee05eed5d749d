"""`migrate` and `topology`: prepare the servers for workers."""

import json
import re
import sys
from shlex import quote
from typing import Annotated

import typer

from contracts.topology import NEVER_REACHED, Topology
from worker.broker.topology import check_topology
from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.options import AmqpUrl, AsJson, DatabaseUrl, Prefix
from worker.dead_letters.upgrade import Upgraded, upgrade_topology
from worker.errors import ConfigurationError
from worker.settings.endpoint import read_amqp_url
from worker.settings.loading import load
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
