"""Why a login to the broker failed, and the fix; the commands that admit a user."""

from typing import Final

from contracts.access import EVENTS_VHOST, RPC_VHOST, USERS, WORKER, permissions_in
from contracts.topology import Topology
from worker.broker.examination import LoginProblem, login_failure
from worker.broker.permission_probe import DEFAULT_USER
from worker.doctor.commands import rabbitmqctl
from worker.doctor.finding import Finding, error
from worker.errors import BrokerUnavailable
from worker.settings.endpoint import Destination

READ_THE_LOG: Final = "read the broker's log"
OWN_USERS: Final = tuple(user.name for user in USERS)
IMPORT: Final = "deploy/rabbitmq/import.sh deploy/rabbitmq/installation.json"


def explain_failure(failed: BrokerUnavailable, to: Destination, topology: Topology) -> Finding:
    """Return why there is no connection, and the fix."""
    failure = login_failure(failed)
    match failure.problem:
        case LoginProblem.CREDENTIALS:
            local = " (guest may log in from the broker's own host only)" if to.user == DEFAULT_USER else ""
            change = rabbitmqctl("change_password", to.user)
            return error(
                f"login refused for user {to.user}{local}",
                f"set the right password in AMQP_URL, or a new one: {change}",
            )
        case LoginProblem.VIRTUAL_HOST:
            message = f"user {to.user} may not enter virtual host {to.name}: {failure.detail}"
            return error(message, _admit(to, topology, failure.detail))
        case LoginProblem.NO_TLS:
            return error(
                "the server there has no TLS", "amqp:// in AMQP_URL, or the broker's TLS port, mostly 5671"
            )
        case LoginProblem.TLS:
            advice = "name the authority of the broker's certificate in AMQP_URL: ?cafile=FILE"
            return error(failure.detail, advice)
        case LoginProblem.CLOSED:
            scheme = "amqp:// and port 5672" if to.is_encrypted else "amqps:// and port 5671"
            return error(
                "the server there closes the connection: it does not speak AMQP, or only with other TLS settings",
                f"{scheme} in AMQP_URL, where the broker has that",
            )
        case LoginProblem.TIMEOUT:
            return error("the port is open and the broker does not answer", f"{READ_THE_LOG}, and restart it")
    return error(failure.detail, READ_THE_LOG)


def permit(to: Destination, topology: Topology) -> str:
    """Return the command that lets the user work as a worker.

    A user of the installation gets the rights it needs; another user, as on a first try, gets everything.
    """
    if to.user == WORKER:
        return confine(to, topology)
    if to.user in OWN_USERS:
        return f"{to.user} is not a worker's user: {WORKER} in AMQP_URL"
    return rabbitmqctl("set_permissions", "--vhost", to.name, to.user, ".*", ".*", ".*")


def confine(to: Destination, topology: Topology) -> str:
    """Return the command that gives the user a worker's permissions in its virtual host and no others."""
    may = permissions_in(EVENTS_VHOST, topology)[WORKER]
    return rabbitmqctl("set_permissions", "--vhost", to.name, to.user, may.configure, may.write, may.read)


def _admit(to: Destination, topology: Topology, refusal: str) -> str:
    if "limit" in refusal:
        limits = rabbitmqctl("list_vhost_limits", "--vhost", to.name)
        return f"{limits}; {rabbitmqctl('list_user_limits', '--user', to.user)}"
    if to.user in OWN_USERS and to.name in (EVENTS_VHOST, RPC_VHOST):
        return IMPORT
    if to.user in OWN_USERS:
        return f"the virtual host {EVENTS_VHOST}, or that of the callers, {RPC_VHOST}, in AMQP_URL"
    return f"{rabbitmqctl('add_vhost', to.name)}; {permit(to, topology)}"
