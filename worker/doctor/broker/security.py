"""Whether the broker restricts this login to the rights of a worker."""

from typing import Final

from contracts.access import WORKER
from contracts.topology import Topology
from contracts.urls import AMQP_PORTS
from worker.broker.examination import ExaminedBroker
from worker.broker.permission_probe import (
    DEFAULT_USER,
    DEFAULT_VHOST,
    default_user_may_log_in,
    may_enter_default_vhost,
    plaintext_listeners,
)
from worker.doctor.broker.login import IMPORT, confine
from worker.doctor.commands import rabbitmqctl
from worker.doctor.finding import Finding, error, ok, warning
from worker.settings.broker_address import BrokerAddress
from worker.settings.endpoint import Destination

NO_PLAINTEXT: Final = "listeners.tcp = none in rabbitmq.conf"


async def check_permissions(broker: ExaminedBroker, topology: Topology, to: Destination) -> Finding:
    """Find the actions that the user may take and a worker does not need."""
    allowed = await broker.allowed_actions()
    if allowed:
        return error(f"the user may {', '.join(allowed)}", confine(to, topology))
    return ok("the user may consume its queues, dead-letter, answer and announce, and nothing else")


async def check_user(address: BrokerAddress, timeout: float) -> Finding:
    """Find the user that every broker comes with, and a login that may enter the default virtual host."""
    to = address.destination
    if to.user == DEFAULT_USER:
        return error("the login is guest, whose password everybody knows", f"log in as {WORKER}")
    if await default_user_may_log_in(address, timeout):
        delete = rabbitmqctl("delete_user", DEFAULT_USER)
        return error("guest may log in with the password that everybody knows", delete)
    if to.name == DEFAULT_VHOST:
        return warning(
            "the installation has no virtual host of its own", f"{IMPORT}  # and name it in AMQP_URL"
        )
    if await may_enter_default_vhost(address, timeout):
        return error(
            "the user may enter another virtual host, the default one",
            rabbitmqctl("clear_permissions", "--vhost", DEFAULT_VHOST, to.user),
        )
    return ok(f"user {to.user} may enter {to.name}, and not the default virtual host")


async def check_listeners(to: Destination, timeout: float) -> Finding:
    """Find a broker that accepts connections in plain text."""
    if not to.is_encrypted:
        where = "is in plain text" if to.plaintext_hosts else "leads to this host only, in plain text"
        fix = f"{NO_PLAINTEXT}, and amqps:// in AMQP_URL"
        return (error if to.plaintext_hosts else warning)(f"the connection {where}", fix)
    hosts = [endpoint.host for endpoint in to.endpoints]
    if plain := await plaintext_listeners(hosts, timeout):
        message = f"{', '.join(plain)} also accepts connections in plain text, at port {AMQP_PORTS['amqp']}"
        return warning(message, NO_PLAINTEXT)
    return ok("TLS is in use, and the usual port accepts no plain text")
