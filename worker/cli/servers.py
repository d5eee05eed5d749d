"""`migrate` and `topology`: what the servers must have before a worker runs."""

import json
import re
import sys
from shlex import quote
from typing import Annotated

import typer

from contracts.topology import NEVER_REACHED, Topology
from worker.broker.admin import check_topology
from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.options import AmqpUrl, AsJson, DatabaseUrl, Prefix
from worker.dead_letters.upgrade import Upgraded, declare_topology
from worker.errors import ConfigurationError
from worker.settings.config import load
from worker.settings.endpoint import read_amqp_url
from worker.store.migrations import MigrationStatus, migrate, status


def migrate_database(
    database_url: DatabaseUrl = None,
    show_status: Annotated[
        bool, typer.Option("--status", help="Say what is applied; change nothing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be applied; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database to the schema this release needs."""
    settings = load({"database_url": database_url}, required=["DATABASE_URL"]).settings
    if settings.pooler == "transaction":
        raise ConfigurationError(
            "migrations need a session of their own: give DATABASE_URL of the server itself, not of its pooler, "
            "and SESSION_STORE_POOLER=none"
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
        bool, typer.Option("--check", help="Compare; change nothing; exit 1 when it differs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Declare the exchanges, queues and bindings, those of an earlier release too, or check them."""
    settings = load({"amqp_url": amqp_url, "prefix": prefix}, required=["AMQP_URL"]).settings
    url, names = settings.amqp_url.get_secret_value(), Topology(settings.prefix)
    upgraded = Upgraded() if check else run_to_end(declare_topology(url, names))
    differences = run_to_end(check_topology(url, names))
    listed = [thing.name for thing in names.exchanges] + [thing.name for thing in names.queues]
    things = {name: differences.get(name, "ok") for name in listed}
    if as_json:
        print_json(things)
    else:
        print_table(("name", "state"), [(name, str(state)) for name, state in things.items()])
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
            f"{upgraded.waiting} dead letters wait in {former}. This broker drops one that is returned 20 times, "
            f"so they are moved under a policy that lifts the limit. Run:\n\n"
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
    }
    if as_json:
        print_json(states)
        return
    for state, versions in states.items():
        if versions or state in ("applied", "pending"):
            print(f"{state}: {', '.join(f'{v:04}' for v in versions) or 'none'}")
