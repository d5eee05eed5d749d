"""The effect of the broker's policies on our queues; `rabbitmqctl list_policies --formatter json` prints them.

AMQP shows no policies. Of those whose pattern fits a queue the one with the highest priority applies, and no other.
Where both a policy and an argument of the queue set a limit, the smaller one holds.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from contracts.topology import Queue, Topology
from worker.doctor.commands import rabbitmqctl
from worker.doctor.finding import Finding, error, ok, warning

STDIN: Final = Path("-")
KINDS: Final = ("queues", "all", "quorum_queues")

Policy = dict[str, Any]


class _Fault(NamedTuple):
    policy: str
    message: str
    loses: bool


def list_command(vhost: str) -> str:
    """Return the command that shows the doctor the policies of a virtual host."""
    listing = rabbitmqctl("--quiet", "list_policies", "--vhost", vhost, "--formatter", "json")
    return f"{listing} | session-store doctor --policies -"


def check_policies(path: Path, topology: Topology, vhost: str) -> Finding:
    """Find policies that would drop events, dead letters or requests; the file holds RabbitMQ's list of policies."""
    try:
        text = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
        policies = [_read(each) for each in orjson.loads(text)]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, re.error) as failure:
        return error(f"{path} is no list of policies: {failure}", list_command(vhost))
    ours = [policy for policy in policies if policy.get("vhost", vhost) == vhost]
    found = [fault for queue in topology.queues for fault in _faults_of(queue, ours)]
    if not found:
        return ok("none drops waiting messages, or lowers a delivery limit")
    names = dict.fromkeys(fault.policy for fault in found)
    message = "; ".join(fault.message for fault in found)
    clearing = (rabbitmqctl("clear_policy", "--vhost", vhost, name) for name in names)
    fix = " && ".join(clearing) + "  # or exclude these queues by its pattern"
    return error(message, fix) if any(fault.loses for fault in found) else warning(message, fix)


def _read(listed: Policy) -> Policy:
    """Return a policy whose definition is read, as older releases print it as text."""
    definition = listed["definition"]
    if isinstance(definition, str):
        definition = orjson.loads(definition)
    return {**listed, "definition": dict(definition), "pattern": re.compile(listed["pattern"])}


def _faults_of(queue: Queue, policies: Sequence[Policy]) -> Iterator[_Fault]:
    """Yield the effects of the policy that applies to a queue."""
    fitting = [each for each in policies if each.get("apply-to", "all") in KINDS]
    fitting = [each for each in fitting if each["pattern"].search(queue.name)]
    if not fitting:
        return
    policy = max(fitting, key=lambda each: int(each.get("priority", 0)))
    definition, name = policy["definition"], str(policy["name"])
    limit, own = definition.get("delivery-limit"), int(queue.arguments["x-delivery-limit"])
    if isinstance(limit, int) and 0 <= limit < own:
        loses = "x-dead-letter-exchange" not in queue.arguments
        then = "drops it" if loses else "dead-letters it"
        yield _Fault(
            name, f"policy {name} has {queue.name} deliver a message {limit} times, then {then}", loses
        )
    ttl = definition.get("message-ttl")
    if ttl is not None and "x-message-ttl" not in queue.arguments:
        yield _Fault(name, f"policy {name} drops the waiting messages of {queue.name} for {ttl} ms", True)
    if "expires" in definition:
        yield _Fault(name, f"policy {name} deletes {queue.name}, and its messages, when it is unused", True)
