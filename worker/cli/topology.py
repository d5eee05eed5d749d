"""`topology`: declares the exchanges and queues, or checks them."""

import json
import re
import sys
from shlex import quote
from typing import Annotated

import typer

from contracts.topology import NEVER_REACHED, Topology
from worker.broker.topology import check_topology
from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.loading import load
from worker.cli.options import AmqpUrl, AsJson, Prefix
from worker.dead_letters.upgrade import Upgraded, upgrade_topology
from worker.settings.broker_address import read_broker_address


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
    former, vhost = names.former_dead_queue.name, quote(read_broker_address(url).vhost)
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
