"""The broker: its release, its exchanges and queues, and whether it accepts messages."""

import shlex
from collections.abc import Sequence
from typing import Final

from contracts.topology import Queue, Topology
from worker.broker.examination import ExaminedBroker, Publishing, QueueStates
from worker.broker.topology import Difference, list_differences
from worker.doctor.broker.login import permit
from worker.doctor.commands import rabbitmqctl
from worker.doctor.finding import Finding, error, ok, warning
from worker.settings.endpoint import Destination

MIN_VERSION: Final = (3, 10)
MAX_WAITING: Final = 10_000
FREE_MEMORY: Final = (
    "rabbitmq-diagnostics alarms  # says which: free disk space, or raise vm_memory_high_watermark"
)


async def check_version(broker: ExaminedBroker) -> Finding:
    """Find a broker that is older than this program needs, or whose release has a fault that matters here."""
    release = broker.release()
    if release.product == "RabbitMQ" and release.numbers < MIN_VERSION:
        return error(f"RabbitMQ {release.version}", "upgrade to RabbitMQ 3.10 or later")
    if release.hides_counts:
        message = f"RabbitMQ {release.version} does not show workers the number of messages: erasures wait"
        return warning(message, "upgrade to the next release of RabbitMQ")
    return ok(f"{release.product} {release.version}")


async def check_topology(broker: ExaminedBroker, topology: Topology, vhost: str) -> Finding:
    """Find exchanges and queues that are missing or were declared differently."""
    differences = await broker.differences()
    if not differences:
        return ok("every exchange and queue is as declared")
    if set(differences.values()) == {Difference.EARLIER}:
        return warning(list_differences(differences), "session-store topology")
    different = [name for name, found in differences.items() if found is Difference.DIFFERENT]
    return error(list_differences(differences), _declare_again(different, topology, vhost))


async def check_alarms(broker: ExaminedBroker, topology: Topology, to: Destination) -> Finding:
    """Find a user that may not publish, and a broker that blocks publishers for lack of memory or disk."""
    match await broker.try_publishing():
        case Publishing.FORBIDDEN:
            message = "the user may not publish to the default exchange, where replies go"
            return error(message, permit(to, topology))
        case Publishing.BLOCKED:
            return error("it blocks publishers: it is short of memory or disk", FREE_MEMORY)
    return ok("it accepts messages")


def check_consumers(states: QueueStates, topology: Topology) -> Finding:
    """Find queues without a consumer."""
    queues = _consumed(topology)
    if idle := [queue.name for queue in queues if not states[queue.name].consumers]:
        return error(f"no consumer of {', '.join(idle)}", "session-store run")
    return ok(_per_queue({queue.name: states[queue.name].consumers for queue in queues}))


def check_waiting(states: QueueStates, topology: Topology) -> Finding:
    """Find queues with more messages than replicas take in a short time."""
    waiting = {queue.name: states[queue.name].messages for queue in _consumed(topology)}
    if max(waiting.values()) > MAX_WAITING:
        advice = "session-store run  # another replica; session-store top shows whether they keep up"
        return warning(_per_queue(waiting), advice)
    return ok(_per_queue(waiting))


def check_dead_letters(states: QueueStates, topology: Topology) -> Finding:
    """Find dead letters, which wait for a person."""
    if count := states[topology.dead_queue.name].messages:
        return warning(f"{count:,} in {topology.dead_queue.name}", "session-store dead list")
    return ok("none")


def _consumed(topology: Topology) -> Sequence[Queue]:
    return (topology.write_queue, topology.delete_queue, topology.rpc_queue)


def _per_queue(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items())


def _declare_again(different: Sequence[str], topology: Topology, vhost: str) -> str:
    """Return the command that deletes everything declared differently, and declares the topology."""
    queues = {queue.name for queue in topology.queues}
    deletions = [
        rabbitmqctl("delete_queue", "--vhost", vhost, name)
        if name in queues
        else shlex.join(("rabbitmqadmin", f"--vhost={vhost}", "delete", "exchange", f"name={name}"))
        for name in different
    ]
    note = "  # deletes the messages in it" if queues.intersection(different) else ""
    return " && ".join([*deletions, "session-store topology"]) + note
